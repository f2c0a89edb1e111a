"""Models fine-tuned on pairs and asked, and questions of the reader's own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import refused

from ftlab.common.errors import LabError
from ftlab.models import load_causal_lm, load_tokenizer
from ftlab.rag.own import FEWEST, OwnItem, own_need, read_case
from ftlab.rag.passages import AskedQuestion
from ftlab.tuning.sft import SFTConfig, fine_tune, generate_answers

PAIRS = [
    (f"Question: What is the colour of the Sabmet {thing}?\nAnswer:", f"It is {colour}.")
    for thing, colour in (("bell", "red"), ("lamp", "blue"), ("door", "green"), ("vase", "grey"))
]


def test_what_was_trained_is_answered() -> None:
    prompts, answers = zip(*PAIRS, strict=True)
    for seed in (0, 1):
        model, seconds, _ = fine_tune("lab", PAIRS, SFTConfig(25, 1.0, batch_size=4), seed)
        assert generate_answers(model, load_tokenizer("lab"), prompts).texts == list(answers)
        assert seconds > 0


def test_lora_moves_a_few_numbers_and_full_fine_tuning_all_of_them() -> None:
    whole, _, moved = fine_tune("lab", PAIRS, SFTConfig(1, 1.0), seed=0)
    assert moved == sum(p.numel() for p in whole.parameters())
    _, _, added = fine_tune("lab", PAIRS, SFTConfig(1, 1.0, rank=2), seed=0)
    assert 0 < added < moved / 20


def test_the_tokens_of_prompts_and_answers_are_counted() -> None:
    model, tokenizer = load_causal_lm("lab"), load_tokenizer("lab")
    prompts = [PAIRS[0][0], f"Notes: The bell is red.\n{PAIRS[1][0]}"]
    served = generate_answers(model, tokenizer, prompts, max_new_tokens=6)
    assert served.prompt_tokens.tolist() == [len(tokenizer(p)["input_ids"]) for p in prompts]
    assert ((served.new_tokens > 0) & (served.new_tokens <= 7)).all()


def test_an_own_answer_may_stand_among_other_words() -> None:
    item = OwnItem("Question: When?\nAnswer:", "Two weeks.", "When?")
    assert item.is_right("You can send it back within two weeks of delivery.")
    assert not item.is_right("You can send it back within three weeks.")


def own_questions(count: int) -> list[AskedQuestion]:
    return [AskedQuestion(f"What is {i}?", f"Number {i}.", "a.txt") for i in range(count)]


def test_own_questions_are_dealt_once_each() -> None:
    need = own_need(own_questions(FEWEST), seed=0, count=60)
    parts = (need.lessons, need.items, need.validation)
    assert [len(part) for part in parts] == [5, 4, 3]
    assert len({item.query for part in parts for item in part}) == FEWEST
    assert len(own_need(own_questions(100), seed=0, count=10).items) == 10


def test_own_documents_and_questions_are_looked_at_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "a.txt").write_text("The number is seven.", encoding="utf-8")
    docs, file = str(tmp_path / "docs"), tmp_path / "questions.jsonl"

    def write(count: int, source: str = "a.txt") -> None:
        lines = [
            json.dumps({"question": f"What is {i}?", "answer": "Seven.", "source": source})
            for i in range(count)
        ]
        file.write_text("\n".join(lines), encoding="utf-8")

    assert read_case("town", "town") is None
    refused(lambda: read_case(docs, "town"), "documents and questions belong together")
    refused(lambda: read_case(docs, str(tmp_path / "none.jsonl")), "none.jsonl")
    write(FEWEST - 1)
    refused(lambda: read_case(docs, str(file)), "questions.jsonl", str(FEWEST))
    write(FEWEST, source="b.txt")
    refused(lambda: read_case(docs, str(file)), "'b.txt'", "not a file in")
    write(FEWEST)
    case = read_case(docs, str(file))
    assert case is not None
    assert [passage.source for passage in case[0]] == ["a.txt"]
    small = read_case(docs, str(file), chunk_size=2)
    assert small is not None
    assert [passage.text for passage in small[0]] == ["The number", "is seven."]
    file.write_text('{"question": "What?", "answer": "Seven."}\n{"question"', encoding="utf-8")
    with pytest.raises(LabError, match="line 2"):
        read_case(docs, str(file))
