"""Which engine runs a net on a node."""

from dataclasses import dataclass
from typing import Literal

from ftjob.nodes import NEWEST_FOR_CAFFE, Node

NEWEST = ".".join(map(str, NEWEST_FOR_CAFFE))


@dataclass(frozen=True)
class EngineChoice:
    """The engine that `auto` comes to, or that was asked for."""

    name: Literal["caffe", "torch"]
    why: str
    problem: str = ""
    """Why it cannot be, and what to do; empty where it can."""
    firm: bool = True
    """Whether it must be this one: caffe that nobody asked for may be torch where Caffe is not installed."""

    @property
    def opens(self) -> str:
        """What the machine that trains is told to open."""
        return self.name if self.firm else "auto"


def choose_engine(wanted: Literal["auto", "caffe", "torch"], node: Node) -> EngineChoice:
    """Return caffe where the node's GPU is of its time or there is none, else torch."""
    if wanted == "torch":
        return EngineChoice("torch", "the spec asks for it")
    if node.runs_caffe:
        if wanted == "caffe":
            return EngineChoice("caffe", "the spec asks for it")
        return EngineChoice("caffe", _why_caffe(node), firm=node.compute_capability is not None)
    gpu = f"{node.gpu} (compute capability {node.compute_capability})"
    if wanted == "auto":
        return EngineChoice("torch", f"Caffe has no code for the {gpu}, its newest is {NEWEST}")
    return EngineChoice(
        "caffe",
        "the spec asks for it",
        f"engine: caffe has no code for the {gpu} of {node.name}, its newest is {NEWEST}: "
        "say auto, or take another node",
    )


def _why_caffe(node: Node) -> str:
    if node.compute_capability is None:
        return "it runs on processors; torch does where Caffe is not installed"
    return f"it has code for compute capability {node.compute_capability}"
