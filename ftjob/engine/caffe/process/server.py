"""The process that holds Caffe: the only file that imports it.

Run as a script by the Python that can import pycaffe (3.7 or newer; standard library, numpy, caffe only):
`python server.py REQUESTS REPLIES PARENT`, two inherited pipe ends and the process id to die with; wire.py
has what is said there. Caffe ends the whole process on any error of its own: its last words are on stderr.
"""

from __future__ import annotations

import ctypes
import os
import resource
import select
import signal
import sys
from importlib import machinery, util
from typing import TYPE_CHECKING, Any, BinaryIO, Callable, Dict, Iterator, Optional

if TYPE_CHECKING:
    from ftjob.engine.caffe.process import deploy, parent, training, wire
else:  # a script's own folder is on its path
    import deploy
    import parent
    import training
    import wire

GLOG_MINLOGLEVEL = "_ZN3fLI17FLAGS_minloglevelE"
TEST = 1
"""The value of Phase.TEST in caffe.proto."""


class Server:
    """Caffe, and the one solver or net that is open."""

    def __init__(self, caffe: Any) -> None:
        self.caffe = caffe
        self.opened: Any = None

    def answer(self, command: str, fields: Dict[str, Any], arrays: Dict[str, Any]) -> wire.Frame:
        """Do one command: a method here that opens something, or one of what is open."""
        owner = self if command in ("open_solver", "open_deploy", "probe") else self.opened
        function: Callable[..., wire.Frame] = getattr(owner, command)
        return function(**fields, **arrays)

    def open_solver(
        self, path: str, iter_size: int, weights: Optional[str], gpu: Optional[int]
    ) -> wire.Frame:
        self._choose_device(gpu)
        self.opened = training.Training(self.caffe.get_solver(path), iter_size, weights)
        log_warnings_only(self.caffe)
        return {}, {}

    def open_deploy(self, path: str, weights: str) -> wire.Frame:
        self._choose_device(None)
        self.opened = deploy.Deploy(self.caffe.Net(path, TEST), weights)
        return {}, {}

    def probe(self, path: str) -> wire.Frame:
        """Run a net once; say which Caffe this is, and what ftjob needs of it that it lacks."""
        self._choose_device(None)
        net = self.caffe.Net(path, TEST)
        net._forward(0, len(net.layers) - 1)
        value = float(net._blobs[-1].data.flat[0])
        needs = [
            (self.caffe.Solver, "apply_update"),
            (self.caffe.SGDSolver, "lr"),
            (self.caffe.Net, "share_with"),
        ]
        lacks = [name for owner, name in needs if not hasattr(owner, name)]
        return {"version": self.caffe.__version__, "value": value, "lacks": lacks}, {}

    def _choose_device(self, gpu: Optional[int]) -> None:
        if gpu is None:
            self.caffe.set_mode_cpu()
        else:
            self.caffe.set_device(gpu)
            self.caffe.set_mode_gpu()


def load_pycaffe() -> Any:
    """Load pycaffe's extension alone.

    The package around it imports scikit-image, scipy and more: 1.5 s at every start, for nothing used here.
    A Python layer may still `import caffe`: it finds this same extension.
    """
    package = util.find_spec("caffe")
    if package is None:
        raise ImportError("No module named 'caffe'")
    spec = machinery.PathFinder.find_spec("caffe._caffe", package.submodule_search_locations)
    if spec is None or spec.loader is None:
        raise ImportError("the module 'caffe' has no _caffe, so it is not pycaffe")
    module = util.module_from_spec(spec)
    sys.modules["caffe._caffe"] = module
    spec.loader.exec_module(module)
    module.init_log()
    return module


def log_warnings_only(caffe: Any) -> None:
    """Leave out of the log, from here on, a line for every time that the data layer begins anew."""
    try:
        level = ctypes.c_int.in_dll(ctypes.CDLL(caffe.__file__), GLOG_MINLOGLEVEL)
    except ValueError:  # a Caffe with glog built in some other way goes on telling
        return
    level.value = 1


def ignore_signals() -> None:
    """Leave it to the parent when to stop: Ctrl-C and SIGTERM are for it to answer."""
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(each, signal.SIG_IGN)


def main(requests_fd: int, replies_fd: int, parent_pid: int) -> None:
    """Answer requests until the pipe ends."""
    parent.die_with(parent_pid)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a crash is to be seen at once, not after a dump
    # requests have no buffer: what came is to be seen by `halted`
    with os.fdopen(requests_fd, "rb", buffering=0) as requests, os.fdopen(replies_fd, "wb") as replies:
        ignore_signals()
        try:
            server = Server(load_pycaffe())
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


def answer(
    server: Server, request: Dict[str, Any], arrays: Dict[str, Any], halted: Callable[[], bool]
) -> Iterator[wire.Frame]:
    """Answer one request; what Python raises goes back as an error (what Caffe logs as fatal does not)."""
    command = request.pop("command")
    try:
        if command == "steps":
            yield from server.opened.steps(halted=halted, **request)
        elif command != "halt":  # a halt that came when the last step was done
            yield server.answer(command, request, arrays)
    except EOFError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to the caller
        yield {"error": type(error).__name__, "message": str(error)}, {}


def halted(requests: BinaryIO) -> bool:
    """Tell whether something came while steps are made: that is `halt`, or the end of the pipe (EOFError)."""
    if not select.select([requests], [], [], 0)[0]:
        return False
    wire.receive(requests)
    return True


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:]))
