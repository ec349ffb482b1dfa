"""Caffe's types of solver: what each reads and what it keeps."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SolverType:
    """A type of solver (sgd_solvers.hpp)."""

    reads: tuple[str, ...]
    """The fields of SolverParameter that only some types read."""
    history: int = 1
    """Blobs kept per param, of frozen params too: ApplyUpdate goes over all (solvers/*.cpp)."""


SOLVER_TYPES = {
    "SGD": SolverType(("momentum",)),
    "Nesterov": SolverType(("momentum",)),
    "AdaGrad": SolverType(("delta",)),
    "RMSProp": SolverType(("rms_decay", "delta")),
    "AdaDelta": SolverType(("momentum", "delta"), history=2),
    "Adam": SolverType(("momentum", "momentum2", "delta"), history=2),
}
