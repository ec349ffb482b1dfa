"""The fields of a prototxt, each with its line, column and text."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
      (?P<skip>   [\s,;]+ )
    | (?P<comment> \#[^\n]* )
    | (?P<slashes> //[^\n]* )  # no comment to Caffe, but no field either
    | (?P<string> "(?:[^"\\\n]|\\.)*" | '(?:[^'\\\n]|\\.)*' )
    | (?P<open>   [{<\[] )
    | (?P<close>  [}>\]] )
    | (?P<colon>  : )
    | (?P<word>   [^\s,;:{}<>\[\]"'\#]+ )
    | (?P<stray>  . )
    """,
    re.VERBOSE | re.DOTALL,
)


DEEPEST = 50
"""Messages in each other; those of a net are at most five deep."""


@dataclass(frozen=True)
class Place:
    """One field of a prototxt."""

    path: tuple[str, ...]
    """Field names from the outermost message: ("layer", "pooling_param", "ceil_mode")."""
    layer: int
    """The index of the layer it is in, or of the last one before it; -1 before the first."""
    start: int
    end: int
    """The field's span in the text, name and value."""
    line: int
    column: int
    """Counted from 1."""
    value: str
    """The text of its value, quotes taken off; empty for a message."""

    @property
    def in_layer(self) -> bool:
        """Whether it is a layer or inside one."""
        return self.path[0] in ("layer", "layers")

    @property
    def inside(self) -> tuple[str, ...]:
        """Its path within its layer, or within the net for a field outside layers."""
        return self.path[1:] if self.in_layer else self.path


def blank_comments(text: str) -> str:
    """Return a prototxt with spaces for its comments, every line and column where it was."""
    return "".join(
        re.sub(r"[^\n]", " ", token.group()) if token.group("comment") else token.group()
        for token in _TOKEN.finditer(text)
    )


@dataclass
class _Open:
    name: str
    start: int
    is_list: bool


def places(text: str) -> list[Place]:
    """Return every field of a prototxt, inner fields before the message that holds them.

    It takes any text: where the text is no prototxt, the places are those of what looks like fields, up to
    where it is nested deeper than DEEPEST.
    """
    return list(_Scanner(text).fields())


class _Scanner:
    """One pass over the tokens with the stack of messages that are open."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.line_starts = [0, *(match.end() for match in re.finditer("\n", text))]
        self.stack: list[_Open] = []
        self.name: re.Match[str] | None = None
        self.layer = -1

    def fields(self) -> Iterator[Place]:
        for token in _TOKEN.finditer(self.text):
            kind = token.lastgroup
            if kind == "open":
                self._open(token)
                if len(self.stack) > DEEPEST:
                    return
            elif kind == "close" and self.stack:
                closed = self.stack.pop()
                yield self._place((*self._path(), closed.name), closed.start, token.end(), "")
            elif kind in ("word", "string"):
                yield from self._word(token)

    def _open(self, token: re.Match[str]) -> None:
        start = self.name.start() if self.name else token.start()
        name = self.name.group() if self.name else (self.stack[-1].name if self.stack else "")
        if token.group() != "[" and not self._path() and name in ("layer", "layers"):
            self.layer += 1
        self.stack.append(_Open(name, start, token.group() == "["))
        self.name = None

    def _word(self, token: re.Match[str]) -> Iterator[Place]:
        if self.stack and self.stack[-1].is_list:
            return
        if self.name is None:
            self.name = token if token.lastgroup == "word" else None
            return
        path = (*self._path(), self.name.group())
        yield self._place(path, self.name.start(), token.end(), token.group().strip("\"'"))
        self.name = None

    def _path(self) -> tuple[str, ...]:
        return tuple(open_.name for open_ in self.stack if not open_.is_list)

    def _place(self, path: tuple[str, ...], start: int, end: int, value: str) -> Place:
        line = bisect_right(self.line_starts, start)
        return Place(path, self.layer, start, end, line, start - self.line_starts[line - 1] + 1, value)
