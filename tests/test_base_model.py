"""The base model that the lab ships: its size, its pieces, and what its card says."""

import tomllib

import pytest
from safetensors import safe_open

from ftlab.common.paths import data_dir
from ftlab.models import load_causal_lm, load_tokenizer

FOLDER = data_dir() / "base_model"
# What customers of a shop and of a bank write about.
CUSTOMERS = """account address appointment balance bank bill broken cancel cancelled card cash
charge charged code colour complaint coupon courier currency customer damaged declined deliver
delivered delivery deposit discount email exchange fee hours identity invoice late lost login
message missing money newsletter opening order package parcel password pay payment pending phone
price receipt refund refused reimbursed repair replacement return send shipped shipping shop size
statement stolen subscription top tracking transaction transfer verify voucher waiting warranty
withdraw wrong""".split()


def test_it_is_small():
    weights = FOLDER / "model.safetensors"
    assert weights.stat().st_size <= 16e6
    with safe_open(weights, "pt") as file:
        kinds = {str(file.get_tensor(name).dtype) for name in file.keys()}  # noqa: SIM118
    assert kinds == {"torch.float16"}
    assert sum(p.numel() for p in load_causal_lm("lab").parameters()) <= 5e6


@pytest.mark.parametrize("word", CUSTOMERS)
def test_a_word_of_customers_is_one_piece(word):
    assert len(load_tokenizer("lab")(f" {word}", add_special_tokens=False)["input_ids"]) == 1


@pytest.mark.parametrize(
    "text", ["凧は高く上がる。", "naïve ☂ été", "Где мой заказ?", "\t\n {}\\ 🪁"]
)
def test_a_text_in_any_script_is_encoded_and_comes_back(text):
    tokenizer = load_tokenizer("lab")
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text


def test_the_card_names_every_large_source_with_its_licence():
    card = (FOLDER / "MODEL_CARD.md").read_text(encoding="utf-8")
    sources = tomllib.loads((FOLDER / "corpus.toml").read_text(encoding="utf-8"))
    large = {n: s for n, s in sources.items() if s["megabytes"] >= 2 and not s.get("held_out")}
    assert large
    for name, source in large.items():
        assert f"| {name} | {source['licence']} |" in card
