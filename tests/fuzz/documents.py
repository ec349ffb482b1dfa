"""Mutations of what is written in some grammar: each takes a file's bytes and gives others."""

import json
import re
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import yaml

from tests.fuzz import odd

Mutation = Callable[[bytes, Random], bytes]


# --- of bytes, whatever they mean


def flip(data: bytes, rng: Random) -> bytes:
    """Change some bytes, or some bits of them."""
    made = bytearray(data)
    for _ in range(rng.choice((1, 2, 8, 64)) if made else 0):
        at = rng.randrange(len(made))
        made[at] = rng.randrange(256) if rng.random() < 0.5 else made[at] ^ 1 << rng.randrange(8)
    return bytes(made)


def cut(data: bytes, rng: Random) -> bytes:
    """Keep the beginning alone, or drop it."""
    at = rng.randrange(len(data) + 1)
    return data[:at] if rng.random() < 0.7 else data[at:]


def splice(data: bytes, rng: Random) -> bytes:
    """Copy a stretch to somewhere else, over what is there or between it."""
    first, last = sorted(rng.randrange(len(data) + 1) for _ in range(2))
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[first:last] + data[at + rng.choice((0, last - first)) :]


def insert(data: bytes, rng: Random) -> bytes:
    """Put odd bytes somewhere."""
    at = rng.randrange(len(data) + 1)
    text = odd.string(rng).encode(errors="surrogatepass")
    return data[:at] + rng.choice((rng.choice(odd.BYTES), text)) + data[at:]


def empty(_data: bytes, rng: Random) -> bytes:
    return rng.choice((b"", b"\n", b"\0" * 4096))


def grow(data: bytes, rng: Random) -> bytes:
    """Repeat it a thousand times, or one byte of it some millions of times."""
    if rng.random() < 0.5:
        return data * rng.choice((2, 1000))
    at = rng.randrange(len(data) + 1)
    return data[:at] + data[at : at + 1] * rng.choice((100_000, 5_000_000)) + data[at:]


# --- of lines and words


def lines(data: bytes, rng: Random) -> bytes:
    """Drop, double, move or join lines."""
    made = data.splitlines(keepends=True) or [b""]
    at = rng.randrange(len(made))
    match rng.randrange(5):
        case 0:
            del made[at]
        case 1:
            made.insert(rng.randrange(len(made)), made[at])
        case 2:
            made[at:at] = [made[at]] * 2000
        case 3:
            made[at] = made[at].rstrip(b"\n") + rng.choice((b"", b" ", b"\r", b"\x85", b"\xe2\x80\xa8"))
        case 4:
            rng.shuffle(made)
    return b"".join(made)


def numbers(data: bytes, rng: Random) -> bytes:
    """Put an odd number in the place of another."""
    return _replaced(data, rb"-?\d+(?:\.\d+)?", str(odd.number(rng)), rng)


def words(data: bytes, rng: Random) -> bytes:
    """Put an odd string in the place of a word, or one of its other words."""
    found = re.findall(rb"[\w./-]+", data)
    other = rng.choice(found).decode(errors="replace") if found else ""
    return _replaced(data, rb"[\w./-]+", rng.choice((odd.string(rng), other)), rng)


def brackets(data: bytes, rng: Random) -> bytes:
    """Open very many brackets somewhere."""
    begins = (
        b"[",
        b"{",
        b'{"a":',
        b"[[1],",
        b"layer {",
        b"a { ",
        b"- ",
        b"? ",
        b"&a [*a,",
        b"(",
        b"<a>",
        b"!!",
    )
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(begins) * rng.choice((40, 230, 5000, 200_000)) + data[at:]


def _replaced(data: bytes, pattern: bytes, new: str, rng: Random) -> bytes:
    found = list(re.finditer(pattern, data))
    if not found:
        return data
    chosen = rng.choice(found)
    return data[: chosen.start()] + new.encode(errors="surrogatepass") + data[chosen.end() :]


# --- of fields


def json_fields(data: bytes, rng: Random) -> bytes:
    """Change a field of JSON, or of one line of JSON lines."""
    try:
        return _json(changed(json.loads(data), rng))
    except ValueError:
        made = data.splitlines(keepends=True) or [b"{}"]
    at = rng.randrange(len(made))
    try:
        made[at] = _json(changed(json.loads(made[at]), rng)) + b"\n"
    except ValueError:
        return data
    return b"".join(made)


def yaml_fields(data: bytes, rng: Random) -> bytes:
    """Change a field of YAML."""
    try:
        values = changed(yaml.safe_load(data), rng)
        return yaml.safe_dump(values, sort_keys=False).encode(errors="surrogatepass")
    except yaml.YAMLError:
        return data


def changed(values: Any, rng: Random) -> Any:
    """Return plain values of which one is dropped, doubled, wrapped, exchanged with another, or odd."""
    places = list(_places(values))
    if not places:
        return odd.value(rng)
    parent, key = rng.choice(places)
    match rng.randrange(7):
        case 0:
            del parent[key]
        case 1:
            parent[key] = [parent[key], parent[key]]
        case 2:
            parent[key] = {"a": parent[key]}
        case 3:
            other, its = rng.choice(places)
            parent[key] = json.loads(json.dumps(other[its], default=str))
        case 4 if isinstance(parent, dict):
            parent[odd.string(rng)] = parent.pop(key)
        case _:
            parent[key] = odd.value(rng)
    return values


def _places(values: Any) -> Iterator[tuple[Any, Any]]:
    inside = (
        values.items() if isinstance(values, dict) else enumerate(values) if isinstance(values, list) else ()
    )
    for key, each in inside:
        yield values, key
        yield from _places(each)


def _json(values: Any) -> bytes:
    return json.dumps(values, default=str).encode(errors="surrogatepass")


BINARY: tuple[Mutation, ...] = (flip, cut, splice, insert, empty, grow)
TEXT: tuple[Mutation, ...] = (*BINARY, lines, lines, numbers, numbers, words, words, brackets)
JSON: tuple[Mutation, ...] = (*BINARY, numbers, words, brackets, *(json_fields,) * 8)
YAML: tuple[Mutation, ...] = (*BINARY, lines, numbers, words, brackets, *(yaml_fields,) * 8)
