"""What runs measured of their speed, and which later plans that is true for."""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

from google.protobuf.message import Message
from pydantic import BaseModel, ConfigDict, Field

from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter

if TYPE_CHECKING:
    from ftjob.plan.plan import Plan

KEY_LENGTH = 20
WITHOUT_EFFECT = ("name", "blobs", "include", "exclude")
"""Fields of a layer that do not decide its speed; the phase is in `phase`."""

Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Measurement(BaseModel):
    """What a run measured; one object of the store, whose other fields describe it for people."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True, use_attribute_docstrings=True)

    run: str
    """NAME/ID of the run."""
    when: Annotated[float, Field(ge=0, le=1e11)]
    """Seconds since 1970."""
    train_seconds_per_image: Seconds
    """Forward and backward, data and update with it; time for tests and snapshots left out."""
    test_seconds_per_image: Seconds | None = None
    startup_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """From asking for the node, or for the worker on this machine, to the first iteration."""


def speed_key(plan: "Plan", machine: str) -> str:
    """Return the digest of all that decides a plan's speed: what was measured under it holds for it.

    Another name, head, learning rate or data set of the same shape has the same one; other layers, frozen
    layers, crops, batches, solver types, nodes, numbers of GPUs, engines and precisions have another.
    `machine` distinguishes the machines that one node profile stands for.
    """
    train, node = plan.inputs.train, plan.inputs.node
    decides = {
        "net": hashlib.sha256(_bare(plan.train_val).SerializeToString(deterministic=True)).hexdigest(),
        "data": [train.channels, train.height, train.width, train.encoded],
        "iter_size": plan.solver.iter_size,
        "solver": plan.solver.type,
        "node": [node.name, node.gpu, machine],
        "engine": plan.engine.title,
    }
    if plan.spec.solver.gpus > 1:
        decides["gpus"] = plan.spec.solver.gpus
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:KEY_LENGTH]


def _bare(net: NetParameter) -> NetParameter:
    """Return a net in which names are numbers in the order they appear and only what takes time is left."""
    blobs: dict[str, str] = {}
    return NetParameter(layer=[_bare_layer(layer, blobs) for layer in net.layer])


def _bare_layer(layer: LayerParameter, blobs: dict[str, str]) -> LayerParameter:
    bare = LayerParameter()
    bare.CopyFrom(layer)
    for field in WITHOUT_EFFECT:
        bare.ClearField(field)
    bare.bottom[:] = [blobs.setdefault(name, str(len(blobs))) for name in layer.bottom]
    bare.top[:] = [blobs.setdefault(name, str(len(blobs))) for name in layer.top]
    for rule in layer.include:
        if rule.HasField("phase"):
            bare.phase = rule.phase
    for param in bare.param:
        param.lr_mult = float(bool(param.lr_mult))
        param.ClearField("name")
        param.ClearField("decay_mult")
    for field in ("source", "mean_file"):
        bare.data_param.ClearField(field)
    for field in ("mean_value", "mean_file", "scale"):
        bare.transform_param.ClearField(field)
    for message, field in list(_fillers(bare)):
        message.ClearField(field)
    return bare


def _fillers(message: Message) -> Iterator[tuple[Message, str]]:
    """Yield every filler in a message, at any depth."""
    for field, value in message.ListFields():
        if field.message_type is None or field.is_repeated:
            continue
        if field.message_type.name == "FillerParameter":
            yield message, field.name
        else:
            yield from _fillers(value)
