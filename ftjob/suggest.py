"""Names in messages: the closest option to a misspelt one, and the first few of many."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 3
"""Names listed before the rest is only counted."""
ALIKE = 0.6
"""The share of the letters that two names have in common from which on they may be meant for each other."""


def listed(names: Sequence[str]) -> str:
    """Return the first few names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def closest(word: str, options: Iterable[str], least: float = ALIKE) -> str | None:
    """Return the option most like a word, ignoring case, or None where none is as like as `least`, of 1."""
    by_lower = {option.lower(): option for option in options}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=least)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str], least: float = ALIKE) -> str:
    """Return `; did you mean X?`, or nothing where no option is like the word."""
    option = closest(word, options, least)
    return f"; did you mean {option}?" if option else ""
