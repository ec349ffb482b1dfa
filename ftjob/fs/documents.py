"""Reads documents back safely: regular files only, bounded in size and depth, checked against a schema.

A document may come from anywhere: a shared file system, a bucket, a bundle from another person. The caller
sets how large it may be; an UnreadableError says in a short clause what is wrong, such as "is nested deeper
than 32", and the caller adds the file's name before it and what to do after it.
"""

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO, NoReturn, TypeVar

from ftjob.errors import StorageError

SMALL = 4 * 2**20
"""Bytes: a status, a plan, a manifest."""
LARGE = 64 * 2**20
"""Bytes: what grows with layers or with the square of the classes, such as plan.json and evaluation.json."""
LONGEST_LINE = 2**20
"""Bytes: one iteration of a net with 20,000 outputs."""
DEEPEST = 32
"""Levels of objects and arrays in each other; what ftjob writes has at most seven."""
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
"""Possessive, and matches unterminated texts too, so that no byte is scanned twice."""
_KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}
_GIVEN = re.compile(r"/dev/stdin|(/dev|/proc/self)/fd/[0-9]+")
"""Descriptors that the caller gave, as a shell's <(…) does: a pipe among them has its writer."""
T = TypeVar("T")


class UnreadableError(ValueError):
    """A document that is not what it should be; in a clause that quotes nothing of it."""


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what a reader raises inside the block into a StorageError: the file, what is wrong, what to do."""
    try:
        yield
    except UnreadableError as error:
        raise StorageError(f"{path}: {error}: fix or remove it") from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise StorageError(f"{path}: cannot be read ({why}): check the disk and its permissions") from error


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """Give a regular file to read from, or a pipe that this process was given. Raises UnreadableError, and
    OSError where it cannot be opened."""
    is_given = _GIVEN.fullmatch(str(path)) is not None
    wait = 0 if is_given else os.O_NONBLOCK  # for another pipe's writer, perhaps for ever
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | wait)
    try:
        if not (is_given and stat.S_ISFIFO(os.fstat(handle).st_mode)):
            check_regular(handle)
        with os.fdopen(handle, "rb", closefd=False) as file:
            yield file
    finally:
        os.close(handle)


def check_regular(handle: int) -> None:
    """Raise UnreadableError for a descriptor of anything but a regular file."""
    mode = os.fstat(handle).st_mode
    if not stat.S_ISREG(mode):
        raise UnreadableError(f"is {_KINDS.get(stat.S_IFMT(mode), 'no file')}, not a file")


def read_bytes(path: Path, largest: int = SMALL) -> bytes:
    """Return what is in a regular file. Raises UnreadableError, and OSError where it cannot be opened."""
    with opened(path) as file:
        check_size(os.fstat(file.fileno()).st_size, largest)
        data = file.read(largest + 1)
    check_size(len(data), largest)
    return data


def read_ends(path: Path, head: int, tail: int) -> tuple[bytes, bytes]:
    """Return a regular file whole and b"", or so many bytes at its start and at its end where it has more.

    The end begins at an even byte. Raises UnreadableError, and for a longer pipe too; OSError where it cannot
    be opened.
    """
    with opened(path) as file:
        data = file.read(head + tail + 1)
        if len(data) <= head + tail:
            return data, b""
        if not file.seekable():
            check_size(len(data), head + tail)
        size = file.seek(0, os.SEEK_END)
        file.seek((size - tail) & ~1)
        return data[:head], file.read(tail)


def read_text(path: Path, largest: int = SMALL) -> str:
    """Return the text of a regular file in UTF-8. Raises UnreadableError, OSError."""
    try:
        return read_bytes(path, largest).decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(f"is no text in UTF-8 (byte {error.start})") from None


def read_json(path: Path, largest: int = SMALL) -> Any:
    """Return the values in a JSON file. Raises UnreadableError, OSError."""
    return parse_json(read_bytes(path, largest))


def read_as(model: type[T], path: Path) -> T:
    """Return a JSON file as a dataclass or model. Raises UnreadableError, OSError."""
    return parse_as(model, read_bytes(path))


def read_strictly(model: type[T], path: Path, largest: int = SMALL) -> T:
    """Return a JSON file as a dataclass, with nothing converted. Raises UnreadableError, OSError."""
    return parse_strictly(model, read_bytes(path, largest))


def read_lines(model: type[T], path: Path) -> Iterator[T]:
    """Yield the lines of a JSON-lines file as dataclasses, with nothing converted; none without a file.

    A last line without an end is left out: it is being written, or its writer was killed. Raises
    UnreadableError, which names the line, and OSError.
    """
    if not path.exists():
        return
    with opened(path) as file:
        for number, line in enumerate(whole_lines(file), 1):
            try:
                made = parse_strictly(model, line)
            except UnreadableError as error:
                raise UnreadableError(f"line {number}: {error}") from None
            yield made


def whole_lines(file: BinaryIO) -> Iterator[bytes]:
    """Yield the lines of a file with their ends; the last one only where it has an end.

    Raises UnreadableError for one too long.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UnreadableError(f"line {number} has more than {LONGEST_LINE:,} bytes")
        if line.endswith(b"\n"):
            yield line


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


def parse_strictly(model: type[T], data: bytes) -> T:
    """Return JSON as a dataclass, with nothing converted but integers to floats. Raises UnreadableError."""
    adapter: Any = _strict_adapter  # mypy takes a type for no Hashable
    made: T = _validated(adapter(model), parse_json(data))
    return made


def checked_as(model: type[T], values: Any) -> T:
    """Return plain values as a dataclass or model. Raises UnreadableError, which names the first field."""
    adapter: Any = _adapter
    made: T = _validated(adapter(model), values)
    return made


def _validated(adapter: Any, values: Any) -> Any:
    from pydantic import ValidationError  # here, because pydantic is slow to import

    try:
        return adapter.validate_python(values)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        field = ".".join(map(str, first["loc"]))
        shown = field if field.isprintable() and len(field) <= 100 else "a field"
        raise UnreadableError(f"{shown or 'the whole'}: {first['msg'][:200]}") from None


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


@lru_cache(maxsize=64)
def _strict_adapter(model: Any) -> Any:
    """Return an adapter that converts no number or flag.

    Strict dataclasses would take no dict, and pydantic's own JSON no name with bytes that are no UTF-8, which
    Python writes as half a surrogate pair: so only what is within them is strict.
    """
    from pydantic_core import SchemaValidator

    return SchemaValidator(_without_conversion(_adapter(model).core_schema))


def _without_conversion(schema: Any) -> Any:
    if isinstance(schema, dict):
        made = {key: _without_conversion(value) for key, value in schema.items()}
        return {**made, "strict": True} if schema.get("type") in ("int", "float", "bool") else made
    return type(schema)(map(_without_conversion, schema)) if isinstance(schema, list | tuple) else schema


def _refuse_constant(name: str) -> NoReturn:
    raise UnreadableError(f"has {name} instead of a number")
