"""The logs of a run's attempts, read as they grow."""

import codecs
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from ftjob.fs import documents

LOG_PIECE = 1 << 20
"""Bytes of a log that are read at once."""


class LogTail:
    """What logs have gained since they were read last."""

    def __init__(self, most: int | None = None) -> None:
        self._most = most
        """The most bytes of a file that are read at a time, its last; None for all."""
        self._shown: dict[Path, int] = {}
        self._decoders: dict[Path, codecs.IncrementalDecoder] = {}

    def read(self, paths: Iterable[Path]) -> Iterator[str]:
        """Yield their text from where the last call ended. Raises StorageError."""
        for path in paths:
            decoder = self._decoders.setdefault(path, codecs.getincrementaldecoder("utf-8")("replace"))
            with documents.explained(path), documents.opened(path) as file:
                begin = self._shown.get(path, 0)
                if self._most is not None:
                    begin = max(begin, os.fstat(file.fileno()).st_size - self._most)
                file.seek(begin)
                while data := file.read(LOG_PIECE):
                    yield decoder.decode(data)
                self._shown[path] = file.tell()
