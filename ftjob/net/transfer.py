"""Which layers of a caffemodel Caffe will copy into a net, and which layers will be left to chance."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ftjob.errors import BadNetError
from ftjob.net.phases import phase_view
from ftjob.net.proto.caffe_pb2 import TRAIN, NetParameter
from ftjob.net.shapes import Shape, infer_shapes
from ftjob.net.suggest import closest
from ftjob.net.weights import BlobWeights, LayerWeights

Kind = Literal["copied", "frozen", "new", "unmatched", "shape_mismatch", "unused"]

_LEGACY_AXES = 4


@dataclass(frozen=True)
class LayerTransfer:
    """What becomes of one layer that has params in the net or in the weights."""

    layer: str
    type: str
    kind: Kind
    """copied; frozen: copied, and stays so; new: starts afresh, as declared; unmatched: starts afresh, which
    nobody declared; shape_mismatch: Caffe would end; unused: in the weights, not in the net."""
    shapes: tuple[Shape, ...]
    """Of the net's params; none for an unused layer."""
    source_shapes: tuple[Shape, ...]
    """Of the weights' blobs; none where the weights have no such layer."""
    remark: str
    """Where it comes from, what it looks like or what to do, in words; empty for a copied layer."""


def plan_transfer(
    train_val: NetParameter,
    weights: Sequence[LayerWeights],
    renamed: Mapping[str, str],
    frozen: Iterable[str],
    inputs: Mapping[str, Shape],
) -> list[LayerTransfer]:
    """Return what Caffe's CopyTrainedLayersFrom (net.cpp) will do with every layer that has params.

    Layers are matched by name, blobs by shape. `renamed` and `frozen` are what surgery says, `inputs` the
    shapes of the blobs that data layers make (surgery.Operation has all three). The net's layers come first,
    in its order, then the unused ones of the weights.
    """
    params = infer_shapes(phase_view(train_val, TRAIN), inputs).params
    types = {layer.name: layer.type for layer in train_val.layer}
    sources = {layer.name: layer for layer in weights}
    held = set(frozen)
    rows = [
        _row(name, types[name], shapes, sources.get(name), renamed, name in held)
        if name in sources or name in renamed
        else _unmatched(name, types[name], shapes, sources, params)
        for name, shapes in params.items()
    ]
    return rows + _unused(weights, params, types, renamed)


def check_transfer(transfer: Iterable[LayerTransfer]) -> None:
    """Raise BadNetError, one sentence for each layer, where Caffe would end or train from noise unasked."""
    rows = [row for row in transfer if row.kind != "unused"]
    wrong = [row for row in rows if row.kind in ("unmatched", "shape_mismatch")]
    if not wrong:
        return
    if all(row.kind in ("unmatched", "new") for row in rows):
        raise BadNetError(
            "no layer of the net is in the weights: they are of another net; check base.weights"
        )
    raise BadNetError("\n".join(row.remark for row in wrong))


def _row(
    name: str,
    kind: str,
    shapes: tuple[Shape, ...],
    source: LayerWeights | None,
    renamed: Mapping[str, str],
    frozen: bool,
) -> LayerTransfer:
    if source is None:
        return LayerTransfer(name, kind, "new", shapes, (), f"renamed from {renamed[name]}")
    if remark := _mismatch(name, shapes, source.blobs, frozen):
        return LayerTransfer(name, kind, "shape_mismatch", shapes, source.shapes, remark)
    return LayerTransfer(name, kind, "frozen" if frozen else "copied", shapes, source.shapes, "")


def _mismatch(name: str, shapes: tuple[Shape, ...], blobs: Sequence[BlobWeights], frozen: bool) -> str:
    """Say why Caffe would refuse to copy the blobs, and what to do; nothing where it would copy them."""
    remedy = "take it out of surgery.freeze and name it" if frozen else "name it"
    remedy += " in surgery.relearn, or give the weights of this very net"
    if len(shapes) != len(blobs):
        return f"layer {name} has {len(shapes)} params, but {len(blobs)} in the weights: {remedy}"
    for shape, blob in zip(shapes, blobs, strict=True):
        if not same_shape(shape, blob):
            return (
                f"layer {name} is {_text(shape)} in the net, but {_text(blob.shape)} in the weights: {remedy}"
            )
    return ""


def same_shape(shape: Shape, blob: BlobWeights) -> bool:
    """Say whether Caffe takes a stored blob for a param of that shape (blob.cpp, ShapeEquals).

    One with the four dimensions of old matches any shape of at most four axes that is the same with ones
    in front.
    """
    if not blob.legacy:
        return shape == blob.shape
    return len(shape) <= _LEGACY_AXES and (1,) * (_LEGACY_AXES - len(shape)) + shape == blob.shape


def _unmatched(
    name: str,
    kind: str,
    shapes: tuple[Shape, ...],
    sources: Mapping[str, LayerWeights],
    params: Mapping[str, tuple[Shape, ...]],
) -> LayerTransfer:
    free = [layer for layer in sources.values() if layer.blobs and layer.name not in params]
    fitting = [layer.name for layer in free if not _mismatch(name, shapes, layer.blobs, False)]
    like = closest(name, fitting) or closest(name, [layer.name for layer in free])
    hint = f" (it looks like {like} of the weights)" if like else ""
    remark = (
        f"layer {name} is not in the weights{hint} and would be trained from noise: give it the name it has "
        "there, or name it in surgery.relearn"
    )
    return LayerTransfer(name, kind, "unmatched", shapes, (), remark)


def _unused(
    weights: Sequence[LayerWeights],
    params: Mapping[str, tuple[Shape, ...]],
    types: Mapping[str, str],
    renamed: Mapping[str, str],
) -> list[LayerTransfer]:
    new_names = {old: new for new, old in renamed.items()}
    rows = []
    for layer in weights:
        if layer.blobs and layer.name not in params:
            remark = f"replaced by {new_names[layer.name]}" if layer.name in new_names else "not in the net"
            kind = layer.type or types.get(layer.name, "")
            rows.append(LayerTransfer(layer.name, kind, "unused", (), layer.shapes, remark))
    return rows


def _text(shape: Shape) -> str:
    return "x".join(map(str, shape)) or "a scalar"
