"""The one door for documents that are read back: regular files, bounded in size and depth, of one schema.

A document may come from anywhere: from a shared file system, a bucket, a bundle that somebody sent. Whoever
reads one says how large it may be, and is told in a short clause what is wrong with it, such as "is nested
deeper than 32"; he puts the file's name before it and what to do behind it.
"""

import json
import os
import re
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn, TypeVar

SMALL = 4 * 2**20
"""Bytes: a status, a plan, a manifest."""
DEEPEST = 32
"""Levels of objects and arrays in each other; what ftjob writes has at most seven."""
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Possessive, and of texts without an end too: what was passed once is not looked at again."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
T = TypeVar("T")


class UnreadableError(ValueError):
    """A document that is not what it should be; in a clause that quotes nothing of it."""


def read_bytes(path: Path, largest: int = SMALL) -> bytes:
    """Return what is in a regular file. Raises UnreadableError, and OSError where it cannot be opened."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe without a writer would wait
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            raise UnreadableError(f"is {_KINDS.get(stat.S_IFMT(found.st_mode), 'no file')}, not a file")
        check_size(found.st_size, largest)
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(largest + 1)
    finally:
        os.close(handle)
    check_size(len(data), largest)
    return data


def read_text(path: Path, largest: int = SMALL) -> str:
    """Return the text of a regular file in UTF-8. Raises UnreadableError, OSError."""
    try:
        return read_bytes(path, largest).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is no text in UTF-8 (byte {error.start})") from None


def read_json(path: Path, largest: int = SMALL) -> Any:
    """Return the values in a JSON file. Raises UnreadableError, OSError."""
    return parse_json(read_bytes(path, largest))


def read_as(model: type[T], path: Path, largest: int = SMALL) -> T:
    """Return a JSON file as a dataclass or model. Raises UnreadableError, OSError."""
    return parse_as(model, read_bytes(path, largest))


def parse_json(data: bytes, deepest: int = DEEPEST) -> Any:
    """Return JSON's values, whose numbers are finite. Raises UnreadableError."""
    check_depth(data, deepest)
    try:
        return json.loads(data, parse_constant=_refuse_constant)
    except UnreadableError:
        raise
    except ValueError as error:
        where = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
        raise UnreadableError(f"is no JSON{where}") from None


def parse_as(model: type[T], data: bytes, deepest: int = DEEPEST) -> T:
    """Return JSON as a dataclass or model, whose types and ranges are checked. Raises UnreadableError."""
    return checked_as(model, parse_json(data, deepest))


def checked_as(model: type[T], values: Any) -> T:
    """Return plain values as a dataclass or model. Raises UnreadableError, which names the first field."""
    from pydantic import ValidationError  # here, because pydantic is slow to import

    try:
        adapter: Any = _adapter  # mypy takes a type for no Hashable
        made: T = adapter(model).validate_python(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        shown = field if field.isprintable() and len(field) <= 100 else "a field"
        raise UnreadableError(f"{shown or 'the whole'}: {first['msg'][:200]}") from None
    return made


def check_size(size: int, largest: int) -> None:
    """Raise UnreadableError for more bytes than are read."""
    if size > largest:
        raise UnreadableError(f"has {size:,} bytes, and at most {largest:,} are read")


def check_depth(data: bytes, deepest: int = DEEPEST) -> None:
    """Raise UnreadableError for JSON nested deeper than that: parsers go down as deep as it goes."""
    depth = 0
    for token in _TOKEN.finditer(data):
        first = token[0][:1]
        depth += (first in b"[{") - (first in b"]}")
        if depth > deepest:
            raise UnreadableError(f"is nested deeper than {deepest}")


@lru_cache(maxsize=64)
def _adapter(model: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(model)


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableError(f"has {name} in the place of a number")
