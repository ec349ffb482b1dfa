"""Reads the API server's JSON at any depth of nesting: values nested too deep become null.

An API server accepts what the parsers here refuse: `from_json` stops at 200 levels, `json` at about 1,000.
The managed fields of an object are as deep as the object.
"""

import re
from typing import Any

from pydantic_core import from_json

DEEPEST = 64
"""Levels that are read: more than twice those of ftjob's own objects, managed fields included."""
_TOKEN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[{]|[\]}]', re.DOTALL)


def read_shallow(data: bytes) -> Any:
    """Return the JSON's values, with null for whatever is nested deeper than DEEPEST. Raises ValueError."""
    try:
        return from_json(data)
    except ValueError:
        return from_json(cut(data))


def cut(data: bytes) -> bytes:
    """Return JSON with null in the place of every object and array deeper than DEEPEST."""
    if data.count(b"[") + data.count(b"{") <= DEEPEST:
        return data
    kept: list[bytes] = []
    depth = begin = 0
    for token in _TOKEN.finditer(data):
        first = token[0][:1]
        if first in b"[{":
            depth += 1
            if depth == DEEPEST + 1:
                kept += data[begin : token.start()], b"null"
        elif first in b"]}":
            if depth == DEEPEST + 1:
                begin = token.end()
            depth -= 1
    return b"".join([*kept, data[begin:]]) if kept else data
