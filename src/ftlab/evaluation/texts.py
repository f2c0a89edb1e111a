"""Free answers against references, one score for each: arrays that an interval can be made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ftlab.common.errors import LabError


def normalise(text: str) -> str:
    """What counts as the same answer: outer blanks, case and one final full stop are ignored."""
    return text.strip().removesuffix(".").rstrip().casefold()


def matches(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """1.0 where the normalised answer equals the normalised reference, else 0.0; (items,)."""
    _same_length(answers, references)
    pairs = zip(answers, references, strict=True)
    return np.array([normalise(a) == normalise(b) for a, b in pairs], dtype=float)


def bleu(answers: Sequence[str], references: Sequence[str]) -> np.ndarray:
    """Sentence BLEU as sacrebleu computes it, 0 to 1 each, shape (items,).

    Geometric mean of the shares of the answer's runs of one to four words that the reference has,
    times a penalty for being shorter (Papineni et al. 2002). Runs longer than the answer are left
    out, and a length without a match is smoothed. Its mean is not the BLEU of the whole set.
    LabError for different lengths or no items.
    """
    from sacrebleu.metrics import BLEU

    _same_length(answers, references)
    if not len(answers):
        raise LabError("The BLEU cannot be computed: there are no items.")
    metric, pairs = BLEU(effective_order=True), zip(answers, references, strict=True)
    scores = [metric.sentence_score(answer, [reference]).score / 100 for answer, reference in pairs]
    return np.clip(scores, 0.0, 1.0)  # sacrebleu's 100 is sometimes a rounding error more


def _same_length(answers: Sequence[str], references: Sequence[str]) -> None:
    if isinstance(answers, str) or isinstance(references, str):
        raise LabError("Answers and references must be lists of texts, not a single text.")
    if len(answers) != len(references):
        raise LabError(f"There are {len(answers)} answers but {len(references)} references.")
