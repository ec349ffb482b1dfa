"""A program imported once, and forked for each start of it.

`python -m tests.forked.server PLACE PROGRAM ROOM` listens on the socket PLACE/PROGRAM; ROOM is as long as the
command line of what it forks may be. A start is one message on a connection: the command line, the folder,
the environment and open files; the answers are the process's id and, at its end, its exit code. A server
ends with its standard input; what it has forked does not.
"""

import atexit
import contextlib
import ctypes
import fcntl
import gc
import json
import os
import resource
import selectors
import signal
import socket
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NoReturn

from tests.forked import client, preload
from tests.tiers import WITHOUT_TORCH

LARGEST = 1 << 20
"""Bytes of a message."""
MOST_FILES = 64
LATE = ("matplotlib.figure", "matplotlib.backends.backend_agg", "jinja2", "obstore", "boto3")
"""What ftjob imports when it needs it."""

Program = Callable[[list[str]], object]


def load_ftjob() -> Program:
    """Import the command line and whatever its verbs import later."""
    preload.load(*preload.ENGINES, "ftjob.cluster.controller")
    for name in LATE:
        import_module(name)
    return be_ftjob


def load_cluster() -> Program:
    """Import the controller too, and the Kubernetes client."""
    preload.load(*preload.ENGINES)
    load_ftjob()
    return be_on_cluster


def be_on_cluster(words: list[str]) -> object:
    kube = import_module("kubernetes.config.kube_config")
    vars(kube)["KUBE_CONFIG_DEFAULT_LOCATION"] = os.environ.get("KUBECONFIG", "~/.kube/config")
    return be_ftjob(words)


def be_ftjob(words: list[str]) -> object:
    main = import_module("ftjob.__main__")
    sys.modules["__main__"] = main  # which processes of its own would import
    sys.argv = ["ftjob", *words]
    if str(WITHOUT_TORCH) in os.environ.get("PYTHONPATH", "").split(os.pathsep):
        sys.modules["torch"] = None  # type: ignore[assignment]  # its sitecustomize was not imported
    return main.main()


def load_torch() -> Program:
    """Import PyTorch, which computes nothing here."""
    import_module("ftjob.engine.torch.process.server")
    return be_torch


def be_torch(words: list[str]) -> object:
    from ftjob.engine.process import serving
    from ftjob.engine.torch.process.__main__ import load

    requests, replies, _ = words
    return serving.serve(load, [requests, replies, str(os.getppid())])


LOADERS: dict[str, Callable[[], Program]] = {
    "ftjob": load_ftjob,
    "cluster": load_cluster,
    "torch": load_torch,
}


def serve(listener: socket.socket, program: Program) -> None:
    """Fork for whoever connects, until standard input ends."""
    running: dict[int, tuple[int, socket.socket]] = {}
    with selectors.DefaultSelector() as selector:
        selector.register(listener, selectors.EVENT_READ)
        selector.register(0, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == 0:
                    return
                if key.fileobj is listener:
                    connection, _ = listener.accept()
                    process = fork(connection, program)
                    handle = os.pidfd_open(process)
                    running[handle] = process, connection
                    selector.register(handle, selectors.EVENT_READ)
                    answer(connection, process)
                else:
                    selector.unregister(key.fd)
                    process, connection = running.pop(key.fd)
                    answer(connection, os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
                    connection.close()
                    os.close(key.fd)


def answer(connection: socket.socket, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits
        connection.send(str(number).encode())


def fork(connection: socket.socket, program: Program) -> int:
    """Fork a process for a start and return its id."""
    message, files, _, _ = socket.recv_fds(connection, LARGEST, MOST_FILES)
    process = os.fork()
    if not process:
        become(json.loads(message), files, program)
    for each in files:
        os.close(each)
    return process


def become(start: dict[str, Any], files: Sequence[int], program: Program) -> NoReturn:
    """Be the program in a forked process, until it ends."""
    code: object = 1
    try:
        numbers = start["files"]
        above = max(*numbers, *files) + 1
        moved = [fcntl.fcntl(each, fcntl.F_DUPFD, above) for each in files]
        os.closerange(0, above)
        for each, number in zip(moved, numbers, strict=True):
            os.dup2(each, number)
        os.closerange(above, max(moved) + 1)
        if start["session"]:
            os.setsid()
        show(start["command"])
        os.chdir(start["folder"])
        os.environ.clear()
        os.environ.update(start["environment"])
        resource.setrlimit(resource.RLIMIT_DATA, start["memory"])
        signal.signal(signal.SIGINT, signal.default_int_handler)
        client.Servers.names = frozenset(start["forks"])
        tempfile.tempdir = None  # where the environment has it
        sys.stdin, sys.stdout = open(0), open(1, "w")  # noqa: SIM115
        sys.stderr = open(2, "w", errors="backslashreplace")  # noqa: SIM115
        code = ended(lambda: program(start["command"][start["words"] :]))
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:  # noqa: BLE001 - nothing of this process may continue as its parent
        traceback.print_exc()
    finally:
        os._exit(code if isinstance(code, int) else 1)


def show(command: Sequence[str]) -> None:
    """Write a command line over this process's, as others see it in /proc: ftjob finds its worker by it."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = map(int, fields[45:47])  # proc(5): arg_start, arg_end
    text = b"".join(os.fsencode(word) + b"\0" for word in command)
    assert len(text) <= end - begin, f"no room for {command}"
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, text, len(text))


def ended(program: Callable[[], object]) -> int:
    """Return the exit code that the interpreter would end with."""
    try:
        program()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        return 1
    return 0


def main(place: Path, name: str) -> None:
    program = LOADERS[name]()
    client.fork_from(place)
    gc.collect()
    gc.freeze()  # pages that forked processes share
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
        listener.bind(str(place / f"{name}.new"))
        listener.listen(64)
        (place / f"{name}.new").rename(place / name)  # only now can it be connected to
        serve(listener, program)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
