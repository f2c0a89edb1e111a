"""The recipe of the base model: its rows, its wired start, a run that survives being stopped."""

import itertools
import random
from dataclasses import replace

import numpy as np
import pytest
import torch

from ftlab.models import load_causal_lm
from ftlab.training.pretraining import corpus, loop, prose
from ftlab.training.pretraining.export import export
from ftlab.training.pretraining.recipe import BASE, SIBLING
from ftlab.training.pretraining.tokenizer import END, PAD, train_tokenizer
from ftlab.world import exercises, phrasing

TEXTS = ["The lamp on the quay is lit at dusk and put out again at dawn by the keeper."] * 50


@pytest.fixture(scope="module")
def town_tokenizer():
    return train_tokenizer(TEXTS, vocabulary=700)


@pytest.fixture
def small_corpus(town_tokenizer):
    vocabulary = town_tokenizer.get_vocab()
    ids = [i for e in town_tokenizer.encode_batch(TEXTS) for i in e.ids]
    return corpus.Corpus(town_tokenizer, np.array(ids, dtype=np.int32), vocabulary[END])


TINY = replace(
    SIBLING, vocabulary=700, width=32, feed_forward=64, heads=2, steps=6, wired=False, warmup=2
)


def test_tokenizer_begins_every_text_with_the_end_token_and_encodes_any_script(town_tokenizer):
    for text in ("Ada keeps a goat.", "凧は高く上がる。", "naïve ☂", ""):
        ids = town_tokenizer.encode(text).ids
        assert ids[0] == town_tokenizer.get_vocab()[END]
        assert town_tokenizer.decode(ids) == text
    assert town_tokenizer.get_vocab()[PAD] == 0


def test_prose_is_read_without_being_run_and_tables_are_left_out(tmp_path, monkeypatch):
    package = tmp_path / "lib" / "torch"
    package.mkdir(parents=True)
    good = "This function opens the window slowly, so that nobody in the room is woken by it."
    (package / "a.py").write_text(
        f'"""{good}\n\nParameters\n----------\nx : int, the first of the many numbers given\n"""\n'
        "raise SystemExit('this file was run')\n"
    )
    (package / "b.py").write_text("this is not python (\n")
    monkeypatch.setattr(
        prose.sysconfig,
        "get_paths",
        lambda: {"stdlib": str(tmp_path / "none"), "purelib": str(tmp_path / "lib")},
    )
    assert prose.paragraphs() == [good]


def test_batches_depend_on_seed_and_step_alone(small_corpus):
    for share, step in itertools.product(corpus.MIX, (7, corpus.LATER)):
        once = small_corpus.batch(share, step)
        assert once == small_corpus.batch(share, step)
        assert once != small_corpus.batch(share, step + 1)
        assert sum(len(ids) for ids, _ in once) >= share.tokens_at(step)
        assert all(len(ids) == len(weights) for ids, weights in once)


def test_answers_carry_the_weight(small_corpus, town_tokenizer):
    share = next(s for s in corpus.MIX if s.name == "recall")
    for ids, weights in small_corpus.batch(share, 3):
        told = town_tokenizer.decode([i for i, w in zip(ids, weights, strict=True) if w == 1.0])
        assert told.count(" is ") == told.count("\n")
        assert "Question" not in told


def test_no_row_uses_a_wording_kept_for_examination(small_corpus):
    rng = random.Random(0)
    known = small_corpus.world.known_facts()
    kept = {phrasing.unseen_question(f) for f in known}
    kept |= {q for f in known for q in phrasing.questions(f, held_out=True)}
    read = "".join(text for _ in range(400) for text, _ in small_corpus._recall(rng))
    assert not [q for q in kept if q in read]


def test_a_wired_start_looks_back_to_the_token_after_the_last_match():
    string = torch.randint(2, 4096, (1, 24), generator=torch.Generator().manual_seed(0))
    mass = {}
    for wired in (True, False):
        model = replace(BASE, wired=wired).network(0, 1)
        model.set_attn_implementation("eager")
        with torch.no_grad():
            seen = model(torch.cat([string, string], 1), output_attentions=True).attentions[1]
        looked = [seen[0, :4, i, i - 24 + 1].mean().item() for i in range(24, 47)]
        mass[wired] = float(np.mean(looked))
    assert mass[True] > 0.15
    assert mass[True] > 4 * mass[False]


def logged(folder):
    rows = (folder / "training_log.csv").read_text().splitlines()
    return [",".join([*row.split(",")[:2], *row.split(",")[3:]]) for row in rows]  # but seconds


def test_a_stopped_run_ends_with_the_same_weights_and_log(tmp_path, small_corpus, monkeypatch):
    monkeypatch.setattr(corpus.Share, "weight_at", lambda self, step: self.weight)
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    whole = loop.Pretraining(TINY, small_corpus, tmp_path / "whole", pad_id=0).run()

    stopped = loop.Pretraining(TINY, small_corpus, tmp_path / "stopped", pad_id=0)
    update, done = stopped._update, []

    def dies_in_the_sixth_step(rows, rate):
        done.append(rate)
        if len(done) == 6:
            raise KeyboardInterrupt
        return update(rows, rate)

    stopped._update = dies_in_the_sixth_step
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = loop.Pretraining(TINY, small_corpus, tmp_path / "stopped", pad_id=0)
    assert again.state["step"] == 4
    resumed = again.run()
    for (name, one), two in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two), name
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    left = {path.name for path in (tmp_path / "stopped").iterdir()}
    assert left == {"checkpoint.safetensors", "training_log.csv"}


def test_a_finished_run_is_exported_as_a_model(
    tmp_path, small_corpus, town_tokenizer, monkeypatch, capsys
):
    monkeypatch.setattr(corpus.Share, "weight_at", lambda self, step: self.weight)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr("ftlab.evaluation.skills.measure", lambda model, tokenizer: {})
    town_tokenizer.save(str(tmp_path / "tokenizer.json"))
    recipe = replace(TINY, steps=2)
    made = loop.Pretraining(recipe, small_corpus, tmp_path, pad_id=0).run()
    export(tmp_path, tmp_path / "model", recipe, processes=1)
    kept = load_causal_lm(str(tmp_path / "model"))
    for (name, one), two in zip(made.named_parameters(), kept.parameters(), strict=True):
        assert torch.equal(one.half().float(), two), name
    read = int(logged(tmp_path)[-1].split(",")[1]) / 1e6
    assert f"{read:,.1f} million tokens" in (tmp_path / "model" / "MODEL_CARD.md").read_text()


def test_learning_rate_rises_stays_and_falls_to_nothing():
    rates = [BASE.rate(step) for step in range(BASE.steps + 1)]
    assert rates[0] < rates[BASE.warmup // 2] < max(rates) == BASE.learning_rate
    assert rates[BASE.steps // 2] == BASE.learning_rate
    assert rates[-1] == 0.0
    assert np.all(np.diff(rates[BASE.warmup :]) <= 0)


def test_sorting_rows_reward_only_what_the_examples_tell(small_corpus):
    for text, weight in small_corpus._shots(random.Random(1)):
        assert (weight == 0.0) == (text.endswith("->") or text.startswith("Sort"))
    assert exercises.sorting(random.Random(1), split="training").prompt(0).count("->") == 1
