"""Visits every record of an LMDB once, with several threads."""

from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import lmdb

from ftjob.concurrency.ahead import THREADS, in_order
from ftjob.dataset.lmdb.datum import Buffer
from ftjob.dataset.lmdb.pages import check_pages
from ftjob.dataset.lmdb.read import opened

CHUNK = 32
"""Records that a thread takes at a time."""

Result = TypeVar("Result")


def walk(location: Path, visit: Callable[[bytes, Buffer], Result]) -> Iterator[Result]:
    """Yield what `visit` makes of the key and the value of every record, in key order.

    The threads pay where most of a visit runs without Python's lock, as decoding is. Raises BadDataError
    for an LMDB that cannot be read, and what `visit` raises first.
    """
    with opened(location):
        check_pages(location)
    with opened(location) as env, env.begin() as transaction, transaction.cursor() as cursor:
        keys = cursor.iternext(values=False)
        chunks = iter(lambda: [bytes(key) for key in islice(keys, CHUNK)], [])
        calls = (partial(_visit_all, env, chunk, visit) for chunk in chunks)
        for results in in_order(calls, ahead=2 * THREADS):
            yield from results


def _visit_all(
    env: lmdb.Environment, keys: list[bytes], visit: Callable[[bytes, Buffer], Result]
) -> list[Result]:
    with env.begin(buffers=True) as transaction:
        return [visit(key, transaction.get(key, b"")) for key in keys]
