"""What a notebook says to its reader: sentences with measured numbers, exercise checks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from numbers import Real
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


def check(answer: Any, test: Callable[[Any], bool], hint: str) -> None:
    """Say at once whether `answer` passes `test`; if not, give the hint.

    An answer that is still `...` is asked for. A text may be in capitals. What is no answer at all
    is never called wrong: a test that lacks what the cells above make (NameError) asks for them, an
    answer of the wrong kind (a text where a number is wanted) is told as that, and one that breaks
    the test in another way as that. So a check never ends in a traceback.
    """
    if answer is ...:
        say("✎ Your turn: put your answer in the place of `...` and run the cell.")
        return
    try:
        right = bool(test(answer)) or bool(test(_in_small_letters(answer)))
    except NameError as error:
        missing = f": there is no `{error.name}` yet" if error.name else ""
        say(f"✗ Run the cells above first{missing}.")
        return
    except Exception as error:  # whatever a reader types
        if isinstance(answer, str) and isinstance(error, TypeError) and _takes_a_number(test):
            say(_other_kind(answer, "number"))
        else:
            say(f"✗ This answer cannot be checked ({type(error).__name__}: {error}). {hint}")
        return
    wanted = "" if right else _compared_with(test)
    if right:
        say("✓ Right.")
    elif wanted and _kind(answer) not in ("", wanted):
        say(_other_kind(answer, wanted))
    else:
        say(f"✗ Not yet. {hint}")


def _other_kind(answer: Any, wanted: str) -> str:
    if wanted == "number":
        return f"✗ A number is wanted here, without quotes: `{answer!r}` is a text."
    return f"✗ A text is wanted here, in quotes: `{answer!r}` is a number."


def _in_small_letters(answer: Any) -> Any:
    if isinstance(answer, str):
        return answer.strip().lower()
    if isinstance(answer, (list, tuple, set)):
        return type(answer)(map(_in_small_letters, answer))
    return answer


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text"
    return "number" if isinstance(value, Real) else ""


def _takes_a_number(test: Callable[[Any], bool]) -> bool:
    try:
        test(1)
    except Exception:
        return False
    return True


def _compared_with(test: Callable[[Any], bool]) -> str:
    """What a test compares an answer with: a "text", a "number", or "" where that is not seen."""
    probe = _Probe()
    with contextlib.suppress(Exception):  # it is no answer
        test(probe)
    return probe.kind


class _Probe:
    """Stands in for an answer, and notes what it is compared with."""

    kind = ""
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        self.kind = self.kind or _kind(other)
        return False
