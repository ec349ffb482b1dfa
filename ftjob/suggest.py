"""Names in sentences: the closest of those there are, and the first of many."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 3
"""Names that are listed where more are meant."""


def listed(names: Sequence[str]) -> str:
    """Name the first few, and say how many there are beyond."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def closest(word: str, options: Iterable[str]) -> str | None:
    """Return the option most like a word, whatever the case of its letters, or None."""
    by_lower = {option.lower(): option for option in options}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `; did you mean X?`, or nothing where no option is like the word."""
    option = closest(word, options)
    return f"; did you mean {option}?" if option else ""
