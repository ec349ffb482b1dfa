"""The text that views are made of: what comes from outside is neither markup nor hidden in it."""

from typing import Any, Self

import rich.text
from rich.style import Style

from jobspec.text import visible_lines


class Text(rich.text.Text):
    """Rich's Text, in which every character can be seen; only line feeds break a line."""

    def __init__(self, text: str = "", style: str | Style = "", **layout: Any) -> None:
        super().__init__(visible_lines(text), style, **layout)

    def append(self, text: rich.text.Text | str, style: str | Style | None = None) -> Self:
        """Add text at the end, as visible as the rest."""
        super().append(visible_lines(text) if isinstance(text, str) else text, style)
        return self
