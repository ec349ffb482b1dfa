"""Which engine runs a net on a node."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ftjob.net.lacks import lacking_caffe, lacking_torch
from ftjob.net.layers.rule import refuse
from ftjob.net.topology.shapes import LayerShapes
from ftjob.nodes.profiles import NEWEST_FOR_CAFFE, Node

NEWEST = ".".join(map(str, NEWEST_FOR_CAFFE))


@dataclass(frozen=True)
class EngineChoice:
    """The engine that `auto` selects, or that the spec names."""

    name: Literal["caffe", "torch"]
    why: str
    problem: str = ""
    """Why this engine cannot be used, and what to do; empty if it can."""
    firm: bool = True
    """Whether it must be this one: caffe selected by auto may become torch where Caffe is not installed."""

    @property
    def opens(self) -> str:
        """The engine that the worker opens."""
        return self.name if self.firm else "auto"


def choose_engine(
    wanted: Literal["auto", "caffe", "torch"], node: Node, layers: Iterable[LayerShapes] = ()
) -> EngineChoice:
    """Return caffe if it is known to run on the node, else torch.

    `layers` are those of the TRAIN and TEST nets: one that the engine lacks is its problem, and caffe
    selected by auto must stay caffe where torch lacks one.
    """
    layers = tuple(layers)
    chosen = _choice_by_node(wanted, node)
    lacking = _lacking(layers, node)
    if chosen.problem or not any(lacking.values()):
        return chosen
    if problem := lacking[chosen.name]:
        other: Literal["caffe", "torch"] = "torch" if chosen.name == "caffe" else "caffe"
        remedy = "remove it" if lacking[other] else f"set engine: {other}"
        return replace(chosen, problem=f"{problem}: {remedy}")
    if not chosen.firm:
        return replace(chosen, why=f"it runs on processors, and {lacking['torch']}", firm=True)
    return chosen


def _lacking(layers: tuple[LayerShapes, ...], node: Node) -> dict[str, str]:
    """What each engine lacks first for the layers on a node, in words; empty for nothing."""
    on_processors = node.compute_capability is None
    engines = {"caffe": lacking_caffe if on_processors else lambda _: "", "torch": lacking_torch}
    return {
        engine: next((_words(layer, engine, lack) for layer in layers if (lack := lacking(layer))), "")
        for engine, lacking in engines.items()
    }


def _words(layer: LayerShapes, engine: str, lack: str) -> str:
    names = {"caffe": "Caffe", "torch": "the torch engine"}
    return str(refuse(layer.layer, f"{names[engine]} does not have {lack}"))


def _choice_by_node(wanted: Literal["auto", "caffe", "torch"], node: Node) -> EngineChoice:
    if wanted == "torch":
        return EngineChoice("torch", "the spec names it")
    if node.runs_caffe:
        if wanted == "caffe":
            return EngineChoice("caffe", "the spec names it")
        return EngineChoice("caffe", _why_caffe(node), firm=node.compute_capability is not None)
    untried = (
        f"Caffe was not tried on the {node.gpu} (compute capability {node.compute_capability}), or any newer "
        f"than {NEWEST}"
    )
    if wanted == "auto":
        return EngineChoice("torch", untried)
    return EngineChoice("caffe", f"the spec names it; {untried}")


def _why_caffe(node: Node) -> str:
    if node.compute_capability is None:
        return "it runs on processors; torch is used if Caffe is not installed"
    return f"it has code for compute capability {node.compute_capability}"
