"""Which engine runs a net on a node, and in which precision."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from ftjob.net.lacks import CAFFE_GPUS, lacking_caffe, lacking_torch
from ftjob.net.layers.rule import refuse
from ftjob.net.precision import CAFFE_PRECISION, Precision, automatic, refusal
from ftjob.net.topology.shapes import LayerShapes
from ftjob.nodes.profiles import NEWEST_FOR_CAFFE, Node

LEAST_FOR_TORCH = (5, 0)
"""The first compute capability that PyTorch's builds have code for (those of 2.6 with CUDA 11.8)."""
NEWEST = ".".join(map(str, NEWEST_FOR_CAFFE))


@dataclass(frozen=True)
class EngineChoice:
    """The engine that `auto` selects, or that the spec names."""

    name: Literal["caffe", "torch"]
    why: str
    problem: str = ""
    """Why this engine cannot be used, and what to do; empty if it can."""
    precision: Precision = "fp32"
    """What it multiplies in."""
    firm: bool = True
    """Whether it must be this one: caffe selected by auto may become torch where Caffe is not installed."""

    @property
    def title(self) -> str:
        """Its name, with the precision where that is not fp32."""
        return self.name if self.precision == "fp32" else f"{self.name} in {self.precision}"

    @property
    def opens(self) -> str:
        """The engine that the worker opens."""
        return self.name if self.firm else "auto"


def torch_runs(node: Node, layers: Iterable[LayerShapes]) -> bool:
    """Return whether PyTorch's builds compute on a node, and have a net's layers."""
    return not _too_old(node) and not _lacking(tuple(layers), node)["torch"]


Wanted = Literal["auto", "caffe", "torch"]
WantedPrecision = Literal["auto", "fp32", "tf32", "bf16", "fp16"]


def choose_engine(
    wanted: Wanted,
    node: Node,
    layers: Iterable[LayerShapes] = (),
    precision: WantedPrecision = "auto",
    gpus: int = 1,
) -> EngineChoice:
    """Return caffe if it is known to run on the node, on one GPU, and computes in the precision, else torch.

    `layers` are those of the TRAIN and TEST nets: one that the engine lacks is its problem, and caffe
    selected by auto must stay caffe where torch lacks one. So is a precision that engine or node lack, and
    more than one GPU for caffe.
    """
    by_node = _choice_by_node(wanted, node, precision, gpus)
    return _in_precision(_choice_by_layers(by_node, node, layers), node, precision)


def _in_precision(chosen: EngineChoice, node: Node, wanted: WantedPrecision) -> EngineChoice:
    """Return the choice with its precision, and with the problem where it has none and lacks that."""
    if wanted == "auto":
        precision = automatic(node.capability) if chosen.name == "torch" else "fp32"
        return replace(chosen, precision=precision)
    if chosen.name == "caffe":
        problem = CAFFE_PRECISION.format(precision=wanted) if wanted != "fp32" else ""
    else:
        gpu = f" ({node.gpu})" if node.capability else ""
        problem = refusal(wanted, node.capability, f"node {node.name}{gpu}")
    return replace(chosen, precision=wanted, problem=chosen.problem or problem)


def _choice_by_layers(chosen: EngineChoice, node: Node, layers: Iterable[LayerShapes]) -> EngineChoice:
    """Return the choice with what it lacks for a layer."""
    lacking = _lacking(tuple(layers), node)
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


def _choice_by_node(wanted: Wanted, node: Node, precision: WantedPrecision, gpus: int) -> EngineChoice:
    if wanted == "torch":
        return EngineChoice("torch", "the spec names it")
    if gpus > 1 and wanted == "caffe":
        return EngineChoice("caffe", "the spec names it", CAFFE_GPUS.format(gpus=gpus))
    if gpus > 1:
        return EngineChoice(
            "torch", f"Caffe trains on one GPU here, and solver.gpus is {gpus}", _too_old(node)
        )
    if wanted == "auto" and precision not in ("auto", "fp32"):
        return EngineChoice("torch", f"Caffe does not compute in {precision}")
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


def _too_old(node: Node) -> str:
    """Return why PyTorch's builds do not compute on a node's GPUs; empty where they do."""
    if node.capability is None or node.capability >= LEAST_FOR_TORCH:
        return ""
    return (
        f"solver.gpus: Caffe trains on one GPU here, and PyTorch's builds have no code for the {node.gpu} "
        f"(compute capability {node.compute_capability}): leave it out, choose another node, or set "
        "engine: torch for a PyTorch of your own"
    )


def _why_caffe(node: Node) -> str:
    if node.compute_capability is None:
        return "it runs on processors; torch is used if Caffe is not installed"
    return f"it has code for compute capability {node.compute_capability}"
