"""Caffe and its commands: the only file that imports it.

Caffe ends the whole process on any error of its own, with a message on stderr.
"""

from __future__ import annotations

import ctypes
import sys
from importlib import machinery, util
from typing import Any, Dict, List, Optional, Tuple

from ftjob.engine.caffe.process import deploy, training
from ftjob.engine.process import computing, serving, wire

GLOG_MINLOGLEVEL = "_ZN3fLI17FLAGS_minloglevelE"
BLAS = {"OpenBLAS": "openblas_get_num_threads", "MKL": "MKL_Get_Max_Threads"}
"""The libraries with threads of their own that Caffe can be built with, and the function that counts them."""
TEST = 1
"""The value of Phase.TEST in caffe.proto."""


class CaffeServer:
    """Caffe, and the one solver or net that is open."""

    def __init__(self, caffe: Any) -> None:
        self.caffe = caffe
        self.opened: Any = None

    def open_solver(
        self,
        path: str,
        iter_size: int,
        weights: Optional[str],
        gpu: Optional[int],
        trunks: List[Dict[str, Any]],
    ) -> wire.Frame:
        self._choose_device(gpu)
        if gpu is None:
            self.caffe.log(described(self.caffe))
        solver = self.caffe.get_solver(path)
        self.opened = training.CaffeTraining(solver, iter_size, weights, self.caffe.log, trunks)
        log_warnings_only(self.caffe)
        return {}, {}

    def open_deploy(self, path: str, weights: str, gpu: Optional[int]) -> wire.Frame:
        self._choose_device(gpu)
        self.opened = deploy.CaffeDeploy(self.caffe.Net(path, TEST), weights)
        return {}, {}

    def probe(self, path: str) -> wire.Frame:
        """Run a net once; return Caffe's version, and what ftjob needs that it lacks."""
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

    def error_reply(self, error: Exception) -> Tuple[str, str]:
        """Return what the parent receives of an error: its class name and message."""
        return serving.by_name(error)

    def _choose_device(self, gpu: Optional[int]) -> None:
        if gpu is None:
            self.caffe.set_mode_cpu()
        else:
            self.caffe.set_device(gpu)
            self.caffe.set_mode_gpu()


def load() -> CaffeServer:
    """Load Caffe. Raises ImportError where this Python has none."""
    return CaffeServer(load_pycaffe())


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


def described(caffe: Any) -> str:
    """Return a line for the log: this Caffe, its BLAS and the threads of that."""
    engine, linked = f"Caffe {caffe.__version__}", ctypes.CDLL(caffe.__file__)
    for library, function in BLAS.items():
        if hasattr(linked, function):
            return computing.described(engine, getattr(linked, function)(), library)
    return computing.described(engine, None)


def log_warnings_only(caffe: Any) -> None:
    """Stop logging a line each time that the data layer starts over."""
    try:
        level = ctypes.c_int.in_dll(ctypes.CDLL(caffe.__file__), GLOG_MINLOGLEVEL)
    except ValueError:  # a Caffe with glog built in some other way keeps logging them
        return
    level.value = 1
