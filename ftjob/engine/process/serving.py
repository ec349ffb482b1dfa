"""An engine's process: requests in, replies out, until the pipe ends."""

from __future__ import annotations

import os
import resource
import select
import signal
from io import RawIOBase
from typing import Any, Callable, Dict, Iterator, List, Tuple

from ftjob.engine.process import parent, wire

HALTABLE = ("steps", "test", "restore")
"""The commands that `halt` ends early: they receive a function that returns whether it came."""


# Error class names are the wire protocol: an error crosses the pipe as the name of its class and a message.
# The parent (engine/child.py) raises the class of that name in ftjob.errors, a StorageError for an OSError,
# and an EngineError for anything else. Caffe's Python 3.7 cannot import ftjob.errors, so its process defines
# BadNetError, BadDataError and StorageError anew: renaming one of them changes the protocol.
def by_name(error: Exception) -> Tuple[str, str]:
    """Return the type and the message of an error."""
    return type(error).__name__, str(error)


def serve(load: Callable[[], Any], arguments: List[str]) -> None:
    """Load an engine and answer requests until the pipe ends; an ImportError is sent to the parent.

    `arguments` are the command line's: two inherited pipe ends, for requests and replies, and the id of the
    process to die with.

    `load` returns an object with a method for each command that opens something (open_solver, open_deploy,
    probe); what it opened is its `opened`, whose methods are the other commands. Its `error_reply` turns an
    exception into the name and the message that the parent receives.
    """
    requests_fd, replies_fd, parent_pid = map(int, arguments)
    settle(parent_pid)
    # requests are unbuffered, so that `halted` can select() on them
    with os.fdopen(requests_fd, "rb", buffering=0) as requests, os.fdopen(replies_fd, "wb") as replies:
        try:
            server = load()
        except ImportError as error:
            wire.send(replies, {"error": "ImportError", "message": str(error)}, {})
            return
        ignore_signals()  # glog's failure handler took SIGTERM
        wire.send(replies, {}, {})
        while True:
            try:
                request, arrays = wire.receive(requests)
                for reply in answer(server, request, arrays, lambda: halted(requests)):
                    wire.send(replies, *reply)
            except (EOFError, BrokenPipeError):
                return
            except Exception as error:  # noqa: BLE001 - the caller gets whatever it is
                name, message = server.error_reply(error)
                wire.send(replies, {"error": name, "message": message}, {})


def settle(parent_pid: int) -> None:
    """Make this process one that its parent handles: it ends with that, and ignores signals."""
    parent.die_with(parent_pid)
    # the parent must see a crash at once, not after a core dump
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    ignore_signals()


def ignore_signals() -> None:
    """Ignore Ctrl-C and SIGTERM: the parent handles them."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def answer(
    server: Any, request: Dict[str, Any], arrays: Dict[str, Any], halted: Callable[[], bool]
) -> Iterator[wire.Frame]:
    """Yield the replies to a request. A fatal error of Caffe raises nothing: it ends the process."""
    command = request.pop("command")
    if command == "halt":  # it came after the command that it was for had ended
        return
    if command in HALTABLE:
        request["halted"] = halted
    owner = server if hasattr(server, command) else server.opened
    answered = getattr(owner, command)(**request, **arrays)
    if isinstance(answered, tuple):
        yield answered
    else:
        yield from answered


def halted(requests: RawIOBase) -> bool:
    """Return whether `halt` came in the middle of a command. Raises EOFError at the end of the pipe."""
    if not select.select([requests], [], [], 0)[0]:
        return False
    wire.receive(requests)
    return True
