"""Processes that decode records into batches, whose memory they share with the engine's process.

Threads share Python's lock, and handing it from one to another takes longer than copying an image: two
threads made fewer batches of plain pixels than one.
"""

import math
import mmap
import os
import pickle
import selectors
import signal
import socket
import threading
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from itertools import count as count_from
from math import prod
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from ftjob.caffelog.exits import ended_by
from ftjob.concurrency import processors
from ftjob.concurrency.malloc import keep_freed_memory
from ftjob.dataset.lmdb.read import StoredRecords
from ftjob.engine.torch.feed.decoding import Decoder, Draws
from ftjob.engine.torch.feed.transform import ImageTransform
from ftjob.errors import EngineError, FtjobError

SMALL_BYTES = 1 << 20
"""Smaller batches are made by this process: in the time that others need to start, it makes hundreds."""
MOST_DECODERS = 16
"""For each GPU: they decode more than a card can train on. Each takes some 25 MB of memory."""
GRACE_SECONDS = 5.0
"""How long a process whose pipe has ended gets to exit."""
SOON_SECONDS = 0.05
"""Until a request for which there was no room is tried again, if no reply comes."""
MOST_ROWS = 256
"""Of a share. Keys of 511 bytes (lmdb.h) take two thirds of what a socket holds then."""
MOST_BYTES = 1 << 20
"""Of a request."""

Keys = Sequence[bytes]
Row = tuple[type[np.uint8 | np.float32], tuple[int, ...]]
"""The type and the shape (C, H, W) of an image in a batch."""


def decoder_count(batch_bytes: int, ranks: int) -> int:
    """Return how many processes decode for each rank: 0 where batches are small."""
    if batch_bytes < SMALL_BYTES:
        return 0
    return min(MOST_DECODERS, max(1, processors.share() // ranks))


class SharedBatches:
    """Memory for batches, each at a place of its own: a memfd, which leaves nothing behind and is not limited
    by the size of /dev/shm."""

    def __init__(self, fd: int, row: Row, rows: int) -> None:
        """`rows` is the most that a batch has."""
        self.fd, self.row, self.rows = fd, row, rows
        size = rows * prod(row[1]) * np.dtype(row[0]).itemsize
        self._size = math.ceil(size / mmap.ALLOCATIONGRANULARITY) * mmap.ALLOCATIONGRANULARITY
        self._maps: dict[int, mmap.mmap] = {}
        self._free: list[int] = []

    def __reduce__(self) -> tuple[Any, ...]:
        """Send the descriptor along to a process that is being started (multiprocessing.reduction)."""
        return _received, (DupFd(self.fd), self.row, self.rows)

    def at(self, place: int, begin: int, rows: int) -> NDArray[Any]:
        """Return so many rows of a batch, from one on."""
        if place not in self._maps:
            self._maps[place] = mmap.mmap(self.fd, self._size, offset=place * self._size)
        kind, shape = self.row
        offset = begin * prod(shape) * np.dtype(kind).itemsize
        return np.frombuffer(self._maps[place], kind, rows * prod(shape), offset).reshape(rows, *shape)

    def take(self, rows: int) -> tuple[int, NDArray[Any]]:
        """Return a free place and its rows; it is free again once nothing refers to them."""
        if not self._free:
            self._free.append(len(self._maps))
            os.ftruncate(self.fd, (len(self._maps) + 1) * self._size)
        place = self._free.pop()
        batch = self.at(place, 0, rows)
        weakref.finalize(batch.base, self._free.append, place)
        return place, batch


def _received(fd: Any, row: Row, rows: int) -> SharedBatches:
    return SharedBatches(fd.detach(), row, rows)


@dataclass
class Share:
    """Some rows of a batch, which one of the processes makes."""

    begin: int
    keys: Sequence[bytes]
    draws: Draws
    batch: NDArray[Any]
    """All rows: this reference keeps their place."""
    made: list[int] | FtjobError | None = None
    """Labels, or what went wrong; None: not yet."""


Begun = Callable[[], tuple[NDArray[Any], list[int]]]
"""Waits for a batch that was begun; returns its rows and labels. Raises BadDataError and EngineError."""


class Decoders:
    """The processes of one Data layer. An idle one takes the next share of whatever batch: if each had shares
    of its own, one that is held up would hold up all."""

    def __init__(self, path: Path, transform: ImageTransform, most_rows: int, count: int) -> None:
        """`most_rows` is what a batch may have. Raises EngineError."""
        row: Row = transform.kind, transform.shape
        self.processes: list[BaseProcess] = []
        self._replies = selectors.PollSelector()
        """The pipes on which they reply, with the process of each."""
        self._numbers = count_from(0)
        self._begun: dict[int, Share] = {}
        self._receiving = threading.Lock()
        try:
            self._memory = SharedBatches(os.memfd_create("batches", os.MFD_CLOEXEC), row, most_rows)
            # several may read from it, and each gets whole requests
            self._requests, their_end = socket.socketpair(type=socket.SOCK_SEQPACKET)
            weakref.finalize(self, _close, self._requests, self._memory.fd)
            with their_end:
                for _ in range(count):
                    self._start(Path.cwd(), path, transform, self._memory, their_end)
        except (OSError, EOFError) as error:  # EOFError: where their server could not start one
            raise EngineError(
                f"the processes that decode records cannot be started ({error}): allow this user more "
                "processes and open files"
            ) from error

    def _start(self, *arguments: object) -> None:
        context = get_context("forkserver")
        context.set_forkserver_preload([__name__])
        replies, its_end = context.Pipe(duplex=False)
        with its_end:
            process = context.Process(target=work, args=(*arguments, its_end), daemon=True, name="decoder")
            process.start()
        self.processes.append(process)
        self._replies.register(replies, selectors.EVENT_READ, process)

    def begin(self, keys: Keys, draws: Draws) -> Begun:
        """Begin to make a batch of the records of those keys."""
        place, batch = self._memory.take(len(keys))
        size = min(MOST_ROWS, math.ceil(len(keys) / len(self.processes)))
        shares = [
            Share(begin, keys[begin : begin + size], draws[begin : begin + size], batch)
            for begin in range(0, len(keys), size)
        ]
        for share in shares:
            number = next(self._numbers)
            self._begun[number] = share
            self._request(pickle.dumps((number, place, share.begin, share.keys, share.draws)))
        return lambda: (batch, [label for share in shares for label in self._labels(share)])

    def _request(self, request: bytes) -> None:
        """Send a request; while there is no room for it, receive replies, which may be what they wait for."""
        while True:
            try:
                self._requests.send(request, socket.MSG_DONTWAIT)
            except BlockingIOError:
                self._receive()
            except ConnectionError:  # `_receive` raises how they ended
                return
            else:
                return

    def _labels(self, share: Share) -> list[int]:
        """Return a share's labels once it is made."""
        while share.made is None:
            self._receive(share)
        if isinstance(share.made, FtjobError):
            raise share.made
        return share.made

    def _receive(self, awaited: Share | None = None) -> None:
        """Wait for some shares to be made, unless another thread has received the one that is awaited."""
        with self._receiving:
            if awaited and awaited.made is not None:
                return
            # without an awaited one, another thread may have received all that there will be
            for ready, _ in self._replies.select(None if awaited else SOON_SECONDS):
                try:
                    self._receive_from(cast("Connection", ready.fileobj))
                except (EOFError, ConnectionError):
                    raise EngineError(f"a process that decodes records {_end(ready.data)}") from None

    def _receive_from(self, replies: Connection) -> None:
        number, made = replies.recv()
        self._begun.pop(number).made = made


def _end(process: BaseProcess) -> str:
    process.join(GRACE_SECONDS)
    code = process.exitcode or 0
    return f"was ended by {ended_by(-code)}" if code < 0 else f"ended with exit code {code}"


def _close(requests: socket.socket, memory: int) -> None:
    requests.close()
    os.close(memory)


class DecoderThread:
    """Does the same in a thread of this process."""

    def __init__(self, path: Path, transform: ImageTransform) -> None:
        """Raises BadDataError."""
        self._decoder = Decoder(StoredRecords(path), transform)
        self._thread = ThreadPoolExecutor(1, "decoder")

    def begin(self, keys: Keys, draws: Draws) -> Begun:
        """See Decoders."""
        return self._thread.submit(self._make, keys, draws).result

    def _make(self, keys: Keys, draws: Draws) -> tuple[NDArray[Any], list[int]]:
        transform = self._decoder.transform
        rows = np.empty((len(keys), *transform.shape), transform.kind)
        return rows, self._decoder.fill(rows, keys, draws)


def work(
    cwd: Path,
    path: Path,
    transform: ImageTransform,
    batches: SharedBatches,
    requests: socket.socket,
    replies: Connection,
) -> None:
    """Make shares until the process that requests them is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for others
    keep_freed_memory()
    os.chdir(cwd)
    decoder = Decoder(StoredRecords(path), transform)
    with suppress(ConnectionError):
        while request := requests.recv(MOST_BYTES):
            number, place, begin, keys, draws = pickle.loads(request)
            try:
                made: list[int] | FtjobError = decoder.fill(batches.at(place, begin, len(keys)), keys, draws)
            except FtjobError as error:
                made = error
            replies.send((number, made))
