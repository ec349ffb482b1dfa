"""The node profiles, read anew when their file changes: an administrator's new price needs no restart."""

from collections.abc import Mapping
from pathlib import Path

from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.metrics import ERRORS
from ftjob.errors import BadSpecError
from ftjob.nodes.profiles import Node, load_nodes, user_file

Stamp = tuple[int, int] | None


class Profiles:
    """What $FTJOB_NODES says now; where it cannot be read any more, what it said last."""

    def __init__(self) -> None:
        self._file = user_file()
        self._stamp, self._nodes = stamp(self._file), load_nodes()

    def current(self) -> Mapping[str, Node]:
        """Return the profiles by name. What is under way keeps the price that it began with."""
        now = stamp(self._file)
        if now != self._stamp:
            self._stamp = now  # even where it is wrong: once is often enough to say so
            try:
                self._nodes = load_nodes()
                log("node profiles read anew", profiles=len(self._nodes))
            except BadSpecError as error:
                ERRORS.labels("profiles").inc()
                log("node profiles stay as they were", error=str(error))
        return self._nodes


def stamp(file: Path) -> Stamp:
    """Return what changes when the file does: a ConfigMap's is replaced by another one."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
