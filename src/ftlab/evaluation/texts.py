"""Free answers against references, one score for each: arrays that an interval can be made of."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ftlab.common.errors import LabError

ARTICLES = frozenset({"a", "an", "the"})


def normalise(text: str) -> str:
    """What counts as the same answer: outer blanks, case and one final full stop are ignored."""
    return text.strip().removesuffix(".").rstrip().casefold()


def matches(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """1.0 where the normalised answer equals the normalised reference, else 0.0; (items,)."""
    _same_length(answers, references)
    pairs = zip(answers, references, strict=True)
    return np.array([normalise(a) == normalise(b) for a, b in pairs], dtype=float)


def token_f1(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """How far the words of answer and reference overlap, 0 to 1 each, shape (items,).

    F1 of the two bags of words (Rajpurkar et al. 2016): case, punctuation, symbols and English
    articles are ignored, so is the order of words. Two texts without any other word count as equal.
    LabError for different lengths or no items.
    """
    return _each(_overlap, answers, references, "token F1")


def bleu(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Sentence BLEU as sacrebleu computes it, 0 to 1 each, shape (items,).

    Geometric mean of the shares of the answer's runs of one to four words that the reference has,
    times a penalty for being shorter (Papineni et al. 2002). Runs longer than the answer are left
    out, and a length without a match is smoothed. Its mean is not the BLEU of the whole set.
    LabError for different lengths or no items.
    """
    from sacrebleu.metrics import BLEU

    metric = BLEU(effective_order=True)
    return _each(
        lambda a, b: metric.sentence_score(a, [b]).score / 100, answers, references, "BLEU"
    )


def chrf(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """chrF as sacrebleu computes it, 0 to 1 each, shape (items,).

    F-score of runs of one to six characters, blanks left out, in which recall counts twice as much
    as precision (Popović 2015). It is kinder than BLEU to a word in another form. LabError for
    different lengths or no items.
    """
    from sacrebleu.metrics import CHRF

    metric = CHRF()
    return _each(
        lambda a, b: metric.sentence_score(a, [b]).score / 100, answers, references, "chrF"
    )


def _overlap(answer: str, reference: str) -> float:
    given, expected = _words(answer), _words(reference)
    if not given or not expected:
        return float(given == expected)
    # 2PR / (P + R), with precision = common / given and recall = common / expected
    return 2 * (given & expected).total() / (given.total() + expected.total())


def _words(text: str) -> Counter[str]:
    # The categories P and S are punctuation and symbols, in every script.
    kept = "".join(c for c in text.casefold() if unicodedata.category(c)[0] not in "PS")
    return Counter(word for word in kept.split() if word not in ARTICLES)


def _each(
    score: Callable[[str, str], float],
    answers: Sequence[str],
    references: Sequence[str],
    name: str,
) -> np.ndarray:
    _same_length(answers, references)
    if not len(answers):
        raise LabError(f"The {name} cannot be computed: there are no items.")
    scores = [score(a, b) for a, b in zip(answers, references, strict=True)]
    return np.clip(scores, 0.0, 1.0)  # sacrebleu's 100 is sometimes a rounding error more


def _same_length(answers: Sequence[str], references: Sequence[str]) -> None:
    if isinstance(answers, str) or isinstance(references, str):
        raise LabError("Answers and references must be lists of texts, not a single text.")
    if len(answers) != len(references):
        raise LabError(f"There are {len(answers)} answers but {len(references)} references.")
