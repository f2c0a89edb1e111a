"""Tokens, padding and the order of batches."""

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from ftlab.common.errors import LabError
from ftlab.data import bucketed_batches, collate, encode, encode_pairs


@pytest.fixture(scope="module")
def tokenizer():
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<end>"], initial_alphabet=alphabet, show_progress=False
    )
    raw.train_from_iterator(["where is my parcel", "the parcel is here"], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<end>")


def test_encode_keeps_order_labels_and_length(tokenizer):
    features = encode(tokenizer, ["where is it", "x" * 500], [1, 0], max_length=8)
    assert tokenizer.decode(features[0]["input_ids"]) == "where is it"
    assert [feature["labels"] for feature in features] == [1, 0]
    assert len(features[1]["input_ids"]) == 8
    assert "labels" not in encode(tokenizer, ["a"])[0]
    assert encode(tokenizer, []) == []


def test_a_text_without_tokens_is_not_empty(tokenizer):
    assert encode(tokenizer, [""])[0]["input_ids"] == [tokenizer.eos_token_id]


def test_texts_and_labels_must_pair_up(tokenizer):
    with pytest.raises(LabError, match="2 texts but 1 labels"):
        encode(tokenizer, ["a", "b"], [0])
    with pytest.raises(LabError, match="1 prompts but 2 answers"):
        encode_pairs(tokenizer, ["a"], ["b", "c"])


def test_loss_is_on_the_answer_and_its_end(tokenizer):
    [feature] = encode_pairs(tokenizer, ["Where is it?"], [" It is here."])
    assert tokenizer.decode(feature["input_ids"]) == "Where is it? It is here.<end>"
    learned = [label for label in feature["labels"] if label != -100]
    assert tokenizer.decode(learned) == " It is here.<end>"
    assert feature["labels"][-len(learned) :] == learned


def test_a_long_prompt_loses_its_beginning_not_the_answer(tokenizer):
    [feature] = encode_pairs(tokenizer, ["start " + "x" * 200 + " here?"], [" Yes."], max_length=20)
    assert len(feature["input_ids"]) == len(feature["labels"]) == 20
    text = tokenizer.decode(feature["input_ids"])
    assert text.endswith("here? Yes.<end>")
    assert "start" not in text
    [feature] = encode_pairs(tokenizer, ["Q?"], ["y" * 200], max_length=20)
    assert len(feature["input_ids"]) == 20
    assert feature["labels"][0] == -100
    assert feature["labels"][1] != -100


def test_collate_pads_on_the_right():
    batch = collate(
        [{"input_ids": [5, 6, 7], "labels": 1}, {"input_ids": [8], "labels": 0}], pad_id=9
    )
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [1, 0]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}
    batch = collate(
        [{"input_ids": [5], "labels": [5]}, {"input_ids": [6, 7], "labels": [-100, 7]}], pad_id=5
    )
    assert batch["labels"].tolist() == [[5, -100], [-100, 7]]
    assert batch["attention_mask"].tolist() == [[1, 0], [1, 1]]
    assert "labels" not in collate([{"input_ids": [5]}], pad_id=0)


LENGTHS = np.random.default_rng(0).geometric(0.05, 1000).clip(1, 128).tolist()


def padding(batches):
    """Share of positions that are padding."""
    padded = sum(max(LENGTHS[i] for i in batch) * len(batch) for batch in batches)
    return 1 - sum(LENGTHS) / padded


@pytest.mark.parametrize(("n", "batch_size"), [(1000, 16), (1000, 7), (5, 16), (1, 1), (0, 4)])
def test_every_index_once_and_full_batches(n, batch_size):
    batches = bucketed_batches(LENGTHS[:n], batch_size, seed=0, epoch=0)
    assert sorted(i for batch in batches for i in batch) == list(range(n))
    assert sum(len(batch) < batch_size for batch in batches) <= 1


def test_batches_depend_on_seed_and_epoch_alone():
    first = bucketed_batches(LENGTHS, 16, seed=1, epoch=2)
    assert bucketed_batches(LENGTHS, 16, seed=1, epoch=2) == first
    for seed, epoch in ((1, 3), (2, 2)):
        other = bucketed_batches(LENGTHS, 16, seed=seed, epoch=epoch)
        assert other != first
        assert {frozenset(batch) for batch in other}.isdisjoint(map(frozenset, first))


def test_texts_of_a_small_set_meet_others_in_the_next_epoch():
    lengths = range(20, 84)
    first, second = ({frozenset(b) for b in bucketed_batches(lengths, 8, 0, e)} for e in (0, 1))
    assert len(first & second) < 4


def test_batches_are_not_in_order_of_length():
    longest = [max(LENGTHS[i] for i in batch) for batch in bucketed_batches(LENGTHS, 16, 0, 0)]
    assert abs(np.corrcoef(np.arange(len(longest)), longest)[0, 1]) < 0.4


def test_padding_is_a_fraction_of_that_of_random_batches():
    order = np.random.default_rng(0).permutation(len(LENGTHS))
    random = padding([order[i : i + 16] for i in range(0, len(order), 16)])
    assert random > 0.5
    assert padding(bucketed_batches(LENGTHS, 16, seed=0, epoch=0)) < random / 4


def test_batch_size_must_be_positive():
    with pytest.raises(LabError, match="batch_size"):
        bucketed_batches([1, 2], 0, seed=0, epoch=0)
