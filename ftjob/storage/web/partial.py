"""A file of the web as far as it has arrived: continued by the next request, and by the next process."""

import math
import re
import time
from collections.abc import Callable
from pathlib import Path

from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from ftjob.concurrency.retry import patiently
from ftjob.errors import StorageError
from ftjob.fs import documents, files
from ftjob.storage.bucket import deadline
from ftjob.storage.store import MissingError
from ftjob.storage.web.response import get
from jobspec.problems import one_line

LARGEST = 2**31 - 1
"""Bytes; protobuf reads no larger message, and weights, nets and means are one each."""
PIECE = 1 << 18
"""Bytes that are read at once, at most."""
ENOUGH = 100_000
"""Bytes that a server sends within the deadline, or it counts as away: 1 KB/s with the usual two minutes."""
MOST_BEGINNINGS = 4
"""How often a file is begun: by a server that cannot continue, or whose file changes meanwhile."""
_LONGEST_VALIDATOR = 1000
_RANGE = re.compile(r"bytes (?:([0-9]{1,18})-[0-9]{1,18}|\*)/(?:([0-9]{1,18})|\*)")


class _InterruptedError(Exception):
    """What may go away by itself, as a clause."""


class _Pace:
    """Whether a server still sends: it may be away, or send next to nothing, for so many seconds."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._since, self._bytes = time.monotonic(), 0

    def arrived(self, count: int) -> None:
        """Note so many bytes. Raises _InterruptedError where they are too few for the time they took."""
        self._bytes += count
        if self._bytes >= ENOUGH:
            self._since, self._bytes = time.monotonic(), 0
        elif self.is_overdue:
            raise _InterruptedError(f"the server sent {self._bytes:,} bytes in {self.seconds:g} s")

    @property
    def is_overdue(self) -> bool:
        """Whether the time is over."""
        return time.monotonic() - self._since > self.seconds


class PartialFile:
    """The bytes of a file that have arrived, and what identifies the file to its server."""

    def __init__(
        self,
        address: str,
        folder: Path,
        *,
        check_size: Callable[[int], None],
        make_room: Callable[[int], None],
        progress: Callable[[int, int], None],
        verified: bool = True,
    ) -> None:
        """Take what an earlier process left in the folder.

        `check_size` may refuse the file's size, or what has arrived where the server names none; `make_room`
        gets the bytes to come, if they are known; `progress` those that are here and those of the whole.
        `verified`: whether its user knows the digest; if not, only a file with a validator is continued.
        """
        self.address, self._folder = address, folder
        self.bytes, self._validator_note = folder / "bytes", folder / "validator"
        self._check_size, self._make_room, self._progress = check_size, make_room, progress
        self._verified = verified
        self._beginnings, self._shown = 0, 0
        self.is_certain = False
        """Whether the server named the size, and sent all of it in one answer."""

    @property
    def done(self) -> int:
        """The bytes that are here."""
        try:
            return self.bytes.stat().st_size
        except FileNotFoundError:
            return 0

    def complete(self) -> None:
        """Bring what is missing. Raises MissingError where the address has no such file, StorageError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        pace = _Pace(deadline())
        try:
            patiently(
                lambda: self._request(pace),
                math.inf,  # as long as something arrives
                transient=_InterruptedError,
                ended=lambda: pace.is_overdue,
            )
        except _InterruptedError as error:
            raise StorageError(
                f"{self.address}: {error}, also after {pace.seconds:g} s of trying again: check the address, "
                "the network and the server, and submit again"
            ) from None

    def discard(self) -> None:
        """Remove what has arrived."""
        self.bytes.unlink(missing_ok=True)
        self._validator_note.unlink(missing_ok=True)

    def _request(self, pace: _Pace) -> None:
        """Bring what one request brings."""
        validator = self._validator()
        if not validator and not self._verified:
            self.discard()
        have = self.done
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and validator:
            headers["If-Range"] = validator
        try:
            with get(self.address, headers, pace.seconds) as answer:
                self._take(answer, have, validator, pace)
        except HTTPError as error:
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                raise StorageError(
                    f"{self.address}: the server's certificate is not trusted: correct the address, or name "
                    "a file of certificates to trust in SSL_CERT_FILE"
                ) from None
            raise _InterruptedError(f"the connection failed ({_reason(error)})") from None

    def _take(self, answer: BaseHTTPResponse, have: int, validator: str, pace: _Pace) -> None:
        """Write an answer's body where it belongs."""
        _refuse(self.address, answer)
        start, size = _place(answer)
        if answer.status == 416 and size == have:
            return
        another = validator and (_validator(answer) or validator) != validator
        if start not in (0, have) or (start and (another or (size or start) < start)):
            self.discard()
            raise _InterruptedError("the file is being replaced while it is read")
        if start == 0:
            self._begin(_validator(answer))
        if size is not None:
            self._admit(size)
            self._make_room(size - start)
        self.is_certain = start == 0 and size is not None
        with self.bytes.open("ab") as file:
            while piece := answer.read1(PIECE, decode_content=False):
                file.write(piece)
                start += len(piece)
                if size is None:
                    self._admit(start)
                pace.arrived(len(piece))
                self._report(start, size)
        if size is None:
            self._report(start, start)
        elif start != size:
            raise _InterruptedError(f"the server sent {start:,} of {size:,} bytes")

    def _begin(self, validator: str) -> None:
        self._beginnings += 1
        if self._beginnings > MOST_BEGINNINGS:
            raise StorageError(
                f"{self.address}: the server broke off {MOST_BEGINNINGS} times and cannot continue, or its "
                "file changes all the time: download it with another tool, and give its path"
            )
        self.discard()
        files.write_text(self._validator_note, validator)

    def _validator(self) -> str:
        """Return what identified the file to its server when it was begun; empty where nothing did."""
        try:
            return documents.read_text(self._validator_note, _LONGEST_VALIDATOR)
        except (OSError, documents.UnreadableError):
            return ""

    def _admit(self, size: int) -> None:
        if size > LARGEST:
            raise MissingError(
                f"{self.address}: has {size:,} bytes or more, and at most {LARGEST:,} are read: correct the "
                "address"
            )
        self._check_size(size)

    def _report(self, done: int, size: int | None) -> None:
        self._shown = max(self._shown, done)
        if size is not None:
            self._progress(min(self._shown, size), size)


def _refuse(address: str, answer: BaseHTTPResponse) -> None:
    """Raise for an answer that brings nothing: _InterruptedError where another may, later."""
    status = answer.status
    if status in (404, 410):
        raise MissingError(f"{address}: is not there (the server answers {status}): correct the address")
    if status in (401, 403, 407):
        raise StorageError(
            f"{address}: access denied (the server answers {status}), and ftjob has no credentials for web "
            "servers: download it yourself and give its path, or put it into a store"
        )
    if status in (408, 425, 429) or status >= 500:
        raise _InterruptedError(f"the server answers {status}")
    if status not in (200, 206, 416):
        raise StorageError(f"{address}: the server answers {status}: correct the address")
    if answer.headers.get("Content-Encoding", "identity") != "identity":
        raise StorageError(
            f"{address}: the server sends it compressed only: download it yourself and give its path"
        )


def _place(answer: BaseHTTPResponse) -> tuple[int, int | None]:
    """Return where in the file an answer's body begins, and the size of the whole, None where it is unknown.

    The place is -1 where the body is no part of the file.
    """
    if answer.status == 200:
        length = answer.headers.get("Content-Length", "")
        return 0, int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    start, size = found.groups() if found else (None, None)
    return int(start) if start else -1, int(size) if size else None


def _validator(answer: BaseHTTPResponse) -> str:
    """Return what If-Range takes: the strong ETag, or the time of change; empty where there is neither."""
    etag = answer.headers.get("ETag", "")
    text = etag if etag and not etag.startswith("W/") else answer.headers.get("Last-Modified", "")
    return text if len(text) <= _LONGEST_VALIDATOR and text.isascii() and text.isprintable() else ""


def _reason(error: HTTPError) -> str:
    """Return what went wrong in a few words, without the address."""
    return one_line(str(getattr(error, "reason", None) or error).rpartition(": ")[2].strip("()'\""))
