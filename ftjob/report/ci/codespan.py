"""Names and sentences from outside as code in Markdown: they mention, link and break nothing. Pure."""

import re

from jobspec.text import plain


def code(text: str) -> str:
    """Return text as a code span of one line, whatever is in it."""
    line = plain(" ".join(text.split())) or " "
    fence = "`" * (max(map(len, re.findall("`+", line)), default=0) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{room}{line}{room}{fence}"


def cell(text: str) -> str:
    """Return text as code in a table's cell, where a bar ends the cell even within code."""
    return code(text).replace("|", r"\|")
