"""Make text from outside safe to print: every character is visible. Pure."""

LONGEST = 1000
"""The most characters in an error's sentence or a line of output."""


class _Escapes(dict[int, str]):
    """What str.translate makes of characters: their escapes, unless they can be seen or are kept."""

    def __init__(self, kept: str = "") -> None:
        super().__init__({number: _escape(chr(number)) for number in range(256)})
        self.update({ord(letter): letter for letter in kept})

    def __missing__(self, number: int) -> str:
        return _escape(chr(number))


def _escape(letter: str) -> str:
    return letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")


_HIDDEN = _Escapes()
_BROKEN = _Escapes(kept="\n\t")


def visible(text: str) -> str:
    r"""Return text with each character that cannot be seen as its escape: `\n`, `\x1b`, `\u202e`.

    Those are what str.isprintable() calls so: control, format (bidirectional too), surrogate, private and
    unassigned characters, and separators other than the space.
    """
    return text if text.isprintable() else text.translate(_HIDDEN)


def visible_lines(text: str) -> str:
    """Return text as `visible` does, but for its line feeds and tabs, which stay."""
    return text if text.isprintable() else text.translate(_BROKEN)


def plain(text: str, longest: int = LONGEST) -> str:
    """Return text as one visible line of at most `longest` characters; of a longer one the middle is `…`."""
    return shortened(visible(text), longest)


def plain_lines(text: str, longest: int = LONGEST) -> str:
    """Return text as `plain` does, but for its line feeds and tabs, which stay."""
    return shortened(visible_lines(text), longest)


def shortened(text: str, longest: int) -> str:
    """Return text with `…` for its middle where it is longer than that: a sentence begins with the place of
    what is wrong and ends with what to do."""
    if len(text) <= longest:
        return text
    end = longest // 3
    return f"{text[: longest - 1 - end]}…{text[len(text) - end :]}"
