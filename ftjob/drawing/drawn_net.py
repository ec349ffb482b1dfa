"""What is drawn of a net: a plan's, or that of a run's folder."""

from collections.abc import Mapping
from dataclasses import dataclass

from ftjob.net.layers.sources import data_inputs
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import NetShapes, infer_shapes
from ftjob.plan.plan import Plan
from ftjob.runfolder.records.plan import PlanDocument


@dataclass(frozen=True)
class DrawnNet:
    """A planned net, and what becomes of its layers."""

    name: str
    """The run's."""
    run_id: str
    net: str
    """The name or location of the net it was made from."""
    classes: int
    train_val: NetParameter
    shapes: NetShapes
    """Of the TRAIN net."""
    kinds: Mapping[str, str]
    """By layer, what becomes of its weights: copied, frozen, new, …"""
    heads: tuple[str, ...]
    counts: tuple[int, int, int, int]
    """Numbers in the params: all, those that learn, those that stay, those that are new."""


def net_of_plan(plan: Plan) -> DrawnNet:
    """Return the net of a plan."""
    counts = plan.forecast.parameters
    return DrawnNet(
        name=plan.spec.name,
        run_id=plan.run_id,
        net=plan.spec.base.net,
        classes=len(plan.labels),
        train_val=plan.train_val,
        shapes=plan.shapes,
        kinds={row.layer: row.kind for row in plan.transfer},
        heads=tuple(head.layer for head in plan.heads),
        counts=(counts.total, counts.trainable, counts.frozen, counts.new),
    )


def net_of_documents(name: str, run_id: str, plan: PlanDocument, train_val: NetParameter) -> DrawnNet:
    """Return the net of a run's plan.json and train_val.prototxt. Raises BadNetError."""
    view = phase_view(train_val, TRAIN)
    counts = plan.parameters
    return DrawnNet(
        name=name,
        run_id=run_id,
        net=plan.base.net,
        classes=len(plan.labels),
        train_val=train_val,
        shapes=infer_shapes(view, data_inputs(view.layer, plan.train.shape)),
        kinds={row.layer: row.kind for row in plan.transfer},
        heads=tuple(head.layer for head in plan.heads),
        counts=(counts.total, counts.trainable, counts.frozen, counts.new or 0),
    )
