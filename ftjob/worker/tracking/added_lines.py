"""Reads what was added to a file of metrics since the last time."""

from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

from ftjob.fs import documents

T = TypeVar("T")


class AddedLines(Generic[T]):
    """The lines of a growing file, each once, and only when it is complete."""

    def __init__(self, kind: type[T], path: Path) -> None:
        self._kind, self._path, self._offset = kind, path, 0

    def take(self, most: int) -> list[T]:
        """Return the next lines, at most so many; none where there are no more yet. Raises UnreadableError,
        OSError."""
        if not self._path.exists():
            return []
        made: list[T] = []
        with documents.opened(self._path) as file:
            file.seek(self._offset)
            for line in islice(documents.whole_lines(file), most):
                made.append(documents.parse_strictly(self._kind, line))
                self._offset += len(line)
        return made
