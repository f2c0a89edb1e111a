"""What a notebook says to its reader: sentences with measured numbers, guesses, exercise checks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ftlab.evaluation import Estimate


def say(text: str) -> None:
    """Show `text` as Markdown: how a notebook reads its results aloud, numbers and all."""
    from IPython.display import Markdown, display

    display(Markdown(text))


def short(estimate: Estimate) -> str:
    """An estimate as it is read aloud: '0.61 [0.55, 0.67]', two decimals."""
    if estimate.low == estimate.high:
        return f"{estimate.value:.2f}"
    if estimate.open:
        return f"{estimate.value:.2f} (one seed: no interval)"
    return f"{estimate.value:.2f} [{estimate.low:.2f}, {estimate.high:.2f}]"


def against(estimate: Estimate, bound: float = 0.0) -> str:
    """Where an interval lies: 'above 0', 'below 0' or 'on both sides of 0'."""
    if estimate.low > bound:
        return f"above {bound:g}"
    return f"below {bound:g}" if estimate.high < bound else f"on both sides of {bound:g}"


def guessed(guess: Any, estimate: Estimate) -> str:
    """A sentence on the reader's guess, "" while it is still `...`."""
    if not isinstance(guess, (int, float)):
        return ""
    inside = "inside" if estimate.low <= guess <= estimate.high else "outside"
    return f"Your guess of {guess:g} lies {inside} the interval."


def check(answer: Any, test: Callable[[Any], bool], hint: str) -> None:
    """Say at once whether `answer` passes `test`; if not, give the hint.

    An answer that is still `...` is asked for. An answer that breaks the test (a text where a
    number was wanted) counts as not right, so a check never ends in a traceback.
    """
    if answer is ...:
        say("✎ Your turn: put your answer in the place of `...` and run the cell.")
        return
    try:
        right = bool(test(answer))
    except Exception:  # whatever a reader types
        right = False
    say("✓ Right." if right else f"✗ Not yet. {hint}")
