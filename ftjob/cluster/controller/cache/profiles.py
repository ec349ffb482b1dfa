"""The node profiles, reloaded when their file changes: a new price needs no restart."""

from collections.abc import Mapping
from pathlib import Path

from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ERRORS
from ftjob.errors import BadSpecError
from ftjob.nodes.profiles import Node, load_nodes, user_file

Stamp = tuple[int, int] | None


class Profiles:
    """The profiles in $FTJOB_NODES; where it has become unreadable, those read last."""

    def __init__(self) -> None:
        self._file = user_file()
        self._stamp, self._nodes = stamp(self._file), load_nodes()

    def current(self) -> Mapping[str, Node]:
        """Return the profiles by name. Attempts under way keep the price that they began with."""
        now = stamp(self._file)
        if now != self._stamp:
            self._stamp = now  # even where it is wrong: one log entry is enough
            try:
                self._nodes = load_nodes()
                log("node profiles reloaded", profiles=len(self._nodes))
            except BadSpecError as error:
                ERRORS.labels("profiles").inc()
                log("node profiles not reloaded", error=str(error))
        return self._nodes


def stamp(file: Path) -> Stamp:
    """Return the inode and time of a file, as a ConfigMap's is replaced, not written; None without one."""
    try:
        found = file.stat()
    except FileNotFoundError:
        return None
    return found.st_ino, found.st_mtime_ns
