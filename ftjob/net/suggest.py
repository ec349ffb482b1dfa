"""Did you mean: the closest of the names there are."""

from collections.abc import Iterable
from difflib import get_close_matches


def closest(word: str, options: Iterable[str]) -> str | None:
    """Return the option most like a word, whatever the case of its letters, or None."""
    by_lower = {option.lower(): option for option in options}
    found = get_close_matches(word.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[found[0]] if found else None


def did_you_mean(word: str, options: Iterable[str]) -> str:
    """Return `; did you mean X?`, or nothing where no option is like the word."""
    option = closest(word, options)
    return f"; did you mean {option}?" if option else ""
