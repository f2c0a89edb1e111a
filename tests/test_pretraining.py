"""The recipe of the base model: its rows, its wired start, a run that survives being stopped."""

import random
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from ftlab.models import load_causal_lm
from ftlab.training.pretraining import corpus, loop, network, texts, wiring
from ftlab.training.pretraining.batches import Shape, first_fit, lay
from ftlab.training.pretraining.export import export
from ftlab.training.pretraining.recipe import BASE, CYCLES, SIBLING
from ftlab.training.pretraining.tokenizer import END, PAD, train_tokenizer
from ftlab.world import exercises, phrasing

TEXTS = ["The lamp on the quay is lit at dusk and put out again at dawn by the keeper."] * 50


@pytest.fixture(scope="module")
def town_tokenizer():
    return train_tokenizer(TEXTS, vocabulary=700)


def prose_of(tokenizer, paragraphs=TEXTS):
    encoded = tokenizer.encode_batch(paragraphs, add_special_tokens=False)
    sizes = [len(e.ids) for e in encoded]
    return texts.Prose(
        tokens=np.array([i for e in encoded for i in e.ids], dtype=np.uint16),
        starts=np.cumsum([0, *sizes[:-1]]),
        document=np.arange(len(paragraphs)) // 5,
        chance=np.full(len(paragraphs), 1 / len(paragraphs)),
    )


@pytest.fixture
def small_corpus(town_tokenizer):
    vocabulary = town_tokenizer.get_vocab()
    prose = prose_of(town_tokenizer)
    return corpus.Corpus(town_tokenizer, prose, vocabulary[END], vocabulary[PAD])


TINY = replace(
    SIBLING,
    vocabulary=700,
    width=32,
    feed_forward=64,
    heads=2,
    steps=6,
    wired=False,
    warmup=2,
    cycles=(
        replace(CYCLES[0], until=4, texts=Shape(4, 96, 128), exercises=Shape(3, 384, 256)),
        replace(CYCLES[1], until=6, texts=Shape(6, 96, 128), exercises=Shape(4, 384, 256)),
    ),
    texts_from=0,
    ramp=1,
)


def test_tokenizer_begins_every_text_with_the_end_token_and_encodes_any_script(town_tokenizer):
    for text in ("Ada keeps a goat.", "凧は高く上がる。", "naïve ☂", ""):
        ids = town_tokenizer.encode(text).ids
        assert ids[0] == town_tokenizer.get_vocab()[END]
        assert town_tokenizer.decode(ids) == text
    assert town_tokenizer.get_vocab()[PAD] == 0


def test_batches_depend_on_seed_and_step_alone(small_corpus):
    for made in (small_corpus.exercises, small_corpus.texts):
        first = TINY.cycles[0]
        shape = first.texts if made == small_corpus.texts else first.exercises
        once, again = made(shape, 900, 0), made(shape, 900, 0)
        other, part = made(shape, 901, 0), made(shape, 900, 1)
        for name in ("ids", "rows", "places", "weights"):
            assert torch.equal(getattr(once, name), getattr(again, name))
        assert not torch.equal(once.ids, other.ids)
        assert not torch.equal(once.ids, part.ids)


def test_every_kind_of_exercise_is_in_the_batches(small_corpus):
    shape = Shape(windows=40, length=384, predicted=9000)
    batch = small_corpus.exercises(shape, 900, 0)
    weighed = set(batch.kinds[batch.weights.numpy() > 0])
    assert {corpus.KINDS.index(share.name) for share in corpus.MIX} == weighed
    early = small_corpus.exercises(shape, 0, 0)
    assert {corpus.KINDS[k] for k in early.kinds} == {"copying", "reading"}


def test_every_cycle_has_the_same_kinds_of_exercises_and_all_of_its_tokens():
    for mix in corpus.MIXES:
        assert [share.name for share in mix] == [share.name for share in corpus.MIX]
        assert sum(share.portion for share in mix) == pytest.approx(1)


def test_the_rate_falls_to_zero_in_each_cycle_and_batches_change_between_them():
    first, second = TINY.cycles
    cycles = (replace(first, until=20, decay=0.5), replace(second, until=25), second)
    recipe = replace(TINY, steps=35, cycles=cycles, warmup=2)
    rates = [recipe.rate(step) for step in range(35)]
    assert rates[0] < rates[1] == rates[9] == recipe.learning_rate
    assert rates[9] > rates[15] > rates[19] > 0
    for begin, end in ((20, 24), (25, 34)):
        assert rates[begin] < rates[begin + 1] > rates[end - 1] > rates[end] > 0
    assert BASE.rate(BASE.steps) == 0
    assert replace(recipe, steps=10).rate(10) == 0  # a run that ends within a cycle
    shapes = {step: {job.shape for job in recipe.jobs(step)} for step in (0, 19, 20)}
    assert shapes[0] == {first.exercises}
    assert shapes[19] == {first.exercises, first.texts}
    assert shapes[20] == {second.exercises, second.texts}
    # Two processes have a batch of each kind, or one each of the larger.
    assert [job.texts for job in recipe.jobs(19)] == [True, False, False, True]
    assert [job.texts for job in recipe.jobs(20)] == [True, False]


def test_what_is_predicted_is_the_next_token_of_the_same_row():
    rows = [(0, ([1, 11, 12, 13], [0.0, 1.0, 0.0, 1.0])), (1, ([1, 21, 22], [0.0, 1.0, 1.0]))]
    shape = Shape(windows=1, length=8, predicted=6)
    batch = lay(first_fit(iter(rows), shape), shape, pad_id=0, mean_weight=[1.0, 0.5], seed=0)
    assert batch.ids.tolist() == [[1, 11, 12, 13, 1, 21, 22, 0]]
    assert batch.rows.tolist() == [[1, 1, 1, 1, 2, 2, 2, 0]]
    counted = batch.weights.numpy() > 0
    wanted = batch.ids.flatten()[batch.places + 1].numpy()[counted]
    assert wanted.tolist() == [11, 13, 21, 22]
    assert batch.weights.numpy()[counted].tolist() == [0.5, 0.5, 0.25, 0.25]


def test_where_not_all_can_be_predicted_answers_are_kept_and_others_count_for_all():
    weights = [0.0] + [0.15] * 40 + [1.0] * 10
    shape = Shape(windows=1, length=64, predicted=20)
    batch = lay([[(0, (list(range(51)), weights))]], shape, pad_id=0, mean_weight=[1.0], seed=3)
    assert set(range(40, 50)) <= set(batch.places.tolist())
    # Ten of forty stand for all: each weighs four times as much.
    light = batch.weights[batch.places < 40]
    assert len(light) == 10
    assert torch.allclose(light / batch.weights[-1], torch.tensor(0.6))


def test_a_row_sees_nothing_of_its_neighbours_in_a_window(small_corpus):
    model = replace(TINY, wired=False).network(0, 1)
    losses = network.Losses(model)
    batch = small_corpus.exercises(TINY.cycles[0].exercises, 900, 0)
    changed = batch.ids.clone()
    changed[batch.rows == 1] = 5
    with torch.no_grad():
        before = losses(batch.ids, batch.rows, batch.places, False)[0]
        after = losses(changed, batch.rows, batch.places, False)[0]
    other = batch.rows.flatten()[batch.places] > 1
    assert torch.equal(before[other], after[other])
    assert not torch.equal(before[~other], after[~other])


def test_halves_of_one_text_are_found_when_their_vectors_are_alike():
    rows = torch.tensor([[1, 1, 2, 2]]).repeat(3, 1)
    alike = torch.eye(3).repeat_interleave(4, 0).view(3, 4, 3)
    turned = alike.clone()
    turned[:, 2:] = alike[[1, 2, 0], 2:]
    assert network.contrast(alike, rows) < 0.01
    assert network.contrast(turned, rows) > 5


def test_texts_hold_two_halves_of_one_document(town_tokenizer):
    paragraphs = [f"In document {d} the lamp number {d} is lit at dusk." for d in range(60)]
    vocabulary = town_tokenizer.get_vocab()
    prose = prose_of(town_tokenizer, [p for p in paragraphs for _ in range(5)])
    made = corpus.Corpus(town_tokenizer, prose, vocabulary[END], vocabulary[PAD])
    for seed in range(20):
        first, second = made._halves("prose", random.Random(seed), 94)
        both = town_tokenizer.decode(first + second)
        assert len(set(re.findall(r"number (\d+)", both))) == 1
        assert min(len(first), len(second)) >= texts.SHORTEST
        assert len(first) + len(second) <= 94


def test_answers_carry_the_weight(small_corpus, town_tokenizer):
    ids, weights = small_corpus._encode(small_corpus.lessons.recall(random.Random(3)))
    told = town_tokenizer.decode([i for i, w in zip(ids, weights, strict=True) if w == 1.0])
    assert told.count(" is ") == told.count("\n") == 10
    assert "Question" not in told


def test_no_row_uses_a_wording_kept_for_examination(small_corpus):
    rng = random.Random(0)
    known = small_corpus.lessons.world.known_facts()
    kept = {phrasing.unseen_question(f) for f in known}
    kept |= {q for f in known for q in phrasing.questions(f, held_out=True)}
    read = "".join(text for _ in range(400) for text, _ in small_corpus.lessons.recall(rng))
    assert not [q for q in kept if q in read]


def test_a_wired_start_looks_back_to_the_token_after_the_last_match():
    string = torch.randint(2, 8192, (1, 24), generator=torch.Generator().manual_seed(0))
    mass = {}
    for wired in (True, False):
        model = replace(BASE, wired=wired).network(0, 1)
        model.set_attn_implementation("eager")
        with torch.no_grad():
            seen = model(torch.cat([string, string], 1), output_attentions=True).attentions[1]
        looked = [seen[0, : wiring.CIRCUITS, i, i - 24 + 1].mean().item() for i in range(24, 47)]
        mass[wired] = float(np.mean(looked))
    assert mass[True] > 0.15
    assert mass[True] > 4 * mass[False]


def logged(folder):
    rows = (folder / "training_log.csv").read_text().splitlines()
    return [",".join([*row.split(",")[:2], *row.split(",")[3:]]) for row in rows]  # but seconds


def test_a_stopped_run_ends_with_the_same_weights_and_log(tmp_path, small_corpus, monkeypatch):
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr(network, "fast_dtype", lambda: torch.float32)
    whole = loop.Pretraining(TINY, small_corpus, tmp_path / "whole", compiled=False).run()

    stopped = loop.Pretraining(TINY, small_corpus, tmp_path / "stopped", compiled=False)
    update, done = stopped._update, []

    def dies_in_the_sixth_step(batches, rate):
        done.append(rate)
        if len(done) == 6:
            raise KeyboardInterrupt
        return update(batches, rate)

    stopped._update = dies_in_the_sixth_step
    with pytest.raises(KeyboardInterrupt):
        stopped.run()
    again = loop.Pretraining(TINY, small_corpus, tmp_path / "stopped", compiled=False)
    assert again.state["step"] == 4
    resumed = again.run()
    for (name, one), two in zip(whole.named_parameters(), resumed.parameters(), strict=True):
        assert torch.equal(one, two), name
    assert logged(tmp_path / "stopped") == logged(tmp_path / "whole")
    left = {path.name for path in (tmp_path / "stopped").iterdir()}
    assert left == {"checkpoint.safetensors", "training_log.csv"}


def test_the_copying_lessons_come_first_and_end_by_their_loss(tmp_path, small_corpus):
    recipe = replace(TINY, steps=1, copy_steps=30, copy_until=100.0)
    run = loop.Pretraining(recipe, small_corpus, tmp_path, compiled=False)
    run.run()
    assert run.state["copied"] == 1
    assert run.state["copies"]


def test_a_finished_run_is_exported_as_a_model(
    tmp_path, small_corpus, town_tokenizer, monkeypatch, capsys
):
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    monkeypatch.setattr("ftlab.evaluation.skills.measure", lambda model, tokenizer: {})
    town_tokenizer.save(str(tmp_path / "tokenizer.json"))
    recipe = replace(TINY, steps=2)
    made = loop.Pretraining(recipe, small_corpus, tmp_path, compiled=False).run()
    manifest = tmp_path / "manifest.toml"
    manifest.write_text(
        '[lamps]\nclient = "installed"\nlicence = "MIT"\nfiles = {}\nmegabytes = 0.5\n'
    )
    export(tmp_path, tmp_path / "model", recipe, processes=1, manifest=manifest)
    kept = load_causal_lm(str(tmp_path / "model"))
    for (name, one), two in zip(made.named_parameters(), kept.parameters(), strict=True):
        assert torch.equal(one.half().float(), two), name
    read = int(logged(tmp_path)[-1].split(",")[1]) / 1e6
    card = (tmp_path / "model" / "MODEL_CARD.md").read_text()
    assert f"{read:,.1f} million tokens" in card
    assert f"width {recipe.width}, {recipe.heads} heads" in card
    assert "| lamps | MIT | 0.5 | 1 |" in card
    assert (tmp_path / "model" / "corpus.toml").read_text() == manifest.read_text()


def test_sorting_rows_reward_only_what_the_examples_tell(small_corpus):
    for text, weight in small_corpus.lessons.shots(random.Random(1)):
        assert (weight == 0.0) == (text.endswith("->") or text.startswith("Sort"))
    assert exercises.sorting(random.Random(1), split="training").prompt(0).count("->") == 1
