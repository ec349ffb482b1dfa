"""Which layers of a caffemodel Caffe will copy into a net, and which it will initialise randomly."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from ftjob.errors import BadNetError
from ftjob.net.caffemodel.mismatch import Cause, Images, Misfit, cause_of
from ftjob.net.caffemodel.weights import BlobWeights, LayerWeights
from ftjob.net.forks.rewrite import scale_of
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, NetParameter
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view
from ftjob.net.topology.shapes import Shape, infer_shapes
from ftjob.suggest import closest, listed

Kind = Literal["copied", "frozen", "new", "unmatched", "shape_mismatch", "unused"]

_LEGACY_AXES = 4
_NOTHING: Mapping[str, Shape] = MappingProxyType({})
_NOT_IN_NET = "not in the net"
_FOLDED = ("BatchNorm", "Bias", "Scale")
ANOTHER_NET = "they are of another net; check base.weights"
OF_THIS_NAME = Cause(
    "the weights have a head of this name for another number of classes, as a run of the same name leaves it",
    "give the spec another name: its new heads are named after it",
)
MOST_MISSING = 3
"""With this many layers missing, and most of them, the weights are reported as another net's."""


@dataclass(frozen=True)
class LayerTransfer:
    """How one layer with params, in the net or in the weights, gets its values."""

    layer: str
    type: str
    kind: Kind
    """copied; frozen: copied, and never updated; new: randomly initialised, as declared; unmatched:
    randomly initialised without being declared; shape_mismatch: Caffe would end; unused: in the weights, not
    in the net."""
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

    Layers are matched by name, blobs by shape. `renamed` and `frozen` come from surgery, `inputs` are the
    shapes of the blobs that data layers make (surgery.Operation has all three). The net's layers come first,
    in its order, then the unused ones of the weights. Raises BadNetError for a layer that has params in the
    weights and none in the net.
    """
    view = phase_view(train_val, TRAIN)
    params = infer_shapes(view, inputs).params
    types = {layer.name: layer.type for layer in train_val.layer}
    _refuse_for_others(weights, params, types)
    sources = _sources(weights, params)
    held = set(frozen)
    sharers = _sharers(view, sources)
    rows = [
        _row(name, types[name], shapes, sources.get(name), renamed, name in held)
        if name in sources or name in renamed
        else _shared(name, types[name], shapes, sharers[name], name in held)
        if name in sharers
        else _unmatched(name, types[name], shapes, sources, params)
        for name, shapes in params.items()
    ]
    return rows + _unused(weights, params, types, renamed)


def _sharers(view: NetParameter, sources: Mapping[str, LayerWeights]) -> dict[str, str]:
    """The layers that need no weights of their own: all their params are those of layers of the weights.

    By layer, one that shares a param with it. Caffe copies by layer into the one blob that all of them have.
    """
    named = {layer.name: [spec.name for spec in layer.param] for layer in view.layer if param_count(layer)}
    givers = {param: name for name in named if name in sources for param in named[name] if param}
    counts = {layer.name: param_count(layer) for layer in view.layer}
    return {
        name: givers[params[0]]
        for name, params in named.items()
        if len(params) == counts[name] and all(param in givers for param in params)
    }


def _sources(
    weights: Sequence[LayerWeights], params: Mapping[str, tuple[Shape, ...]]
) -> dict[str, LayerWeights]:
    """The layers of the weights by name. Of several with one name the last counts: Caffe copies it over the
    others, unless it ends at one of them."""
    sources: dict[str, LayerWeights] = {}
    for layer in weights:
        before = sources.get(layer.name)
        if before is None or layer.name not in params or _fits(params[layer.name], before.blobs):
            sources[layer.name] = layer
    return sources


def _refuse_for_others(
    weights: Iterable[LayerWeights], params: Mapping[str, tuple[Shape, ...]], types: Mapping[str, str]
) -> None:
    """Raise BadNetError where the weights have params for a layer of the net that takes none."""
    for layer in weights:
        if layer.blobs and layer.name in types and layer.name not in params:
            raise BadNetError(
                f"layer {layer.name} ({types[layer.name]}) of the net has no params, and the weights have "
                f"{len(layer.blobs)} under its name, at which Caffe ends: give the layer another name"
            )


def check_transfer(
    transfer: Iterable[LayerTransfer],
    net: NetParameter | None = None,
    inputs: Mapping[str, Shape] = _NOTHING,
    images: Images | None = None,
    frozen: Iterable[str] = (),
    heads: Collection[str] = (),
) -> None:
    """Raise BadNetError, a sentence per cause, where Caffe would end or initialise a layer randomly unasked.

    With the net of surgery, the shapes of its inputs, what is known of its images and the names of its heads,
    more causes are found.
    """
    rows = list(transfer)
    due = [row for row in rows if row.kind not in ("new", "unused")]
    _refuse_lost_scales(rows, due)
    if wrong := [row for row in due if row.kind in ("unmatched", "shape_mismatch")]:
        _refuse_another_net(rows, due)
        unmatched = [row.remark for row in wrong if row.kind == "unmatched"]
        held = set(frozen)
        misfits = [_misfit(row, net, inputs, images) for row in wrong if row.kind == "shape_mismatch"]
        raise BadNetError("\n".join([*unmatched, *_causes(misfits, len(due), held, heads)]))


def _refuse_lost_scales(rows: Sequence[LayerTransfer], due: Sequence[LayerTransfer]) -> None:
    """Raise BadNetError for BatchNorms that scale in the weights, as NVIDIA's do, and in the net do not."""
    scales = {scale_of(row.layer): row.layer for row in due if row.type == "BatchNorm"}
    lost = [scales[row.layer] for row in rows if row.kind == "unused" and row.layer in scales]
    if lost:
        raise BadNetError(
            f"BatchNorm {listed(lost)} of the weights scales as well, as in NVIDIA's Caffe, and no layer of "
            "the net takes the scale: write scale_bias: true in its batch_norm_param, or name the Scale "
            f"layer after it {scale_of(lost[0])}"
        )


def _refuse_another_net(rows: Sequence[LayerTransfer], due: Sequence[LayerTransfer]) -> None:
    """Raise BadNetError, once, for weights that lack most of the net's layers."""
    missing = [row for row in due if row.kind == "unmatched"]
    norms = {row.kind for row in due if row.type == "BatchNorm"}
    if norms == {"unmatched"} and all(row.type in _FOLDED for row in missing):
        lost = listed([row.layer for row in missing])
        called = [row.layer for row in rows if row.remark == _NOT_IN_NET and row.type in _FOLDED]
        if called:
            raise BadNetError(
                f"no BatchNorm of the net is in the weights by its name ({lost}), and they have "
                f"{listed(called)}: give the layers of base.net the names that they have there"
            )
        raise BadNetError(
            f"no BatchNorm of the net is in the weights ({lost}): they come from a net without BatchNorm, or "
            "have it folded into the layers before; give the weights of this very net, or a base.net without "
            "BatchNorm and Scale"
        )
    if len(missing) < len(due) and (len(missing) < MOST_MISSING or 2 * len(missing) <= len(due)):
        return
    if not missing:
        return
    lacking = f"{len(missing)} of the {len(due)} layers of the net are not"
    names = [row.layer for row in rows if row.kind == "unused" and row.remark == _NOT_IN_NET]
    others = f", which have {listed(names)}" if names else ""
    which = "no layer of the net is" if len(missing) == len(due) else lacking
    raise BadNetError(f"{which} in the weights{others}: {ANOTHER_NET}")


def _misfit(
    row: LayerTransfer, net: NetParameter | None, inputs: Mapping[str, Shape], images: Images | None
) -> Misfit:
    layers = [layer for layer in net.layer if layer.name == row.layer] if net else []
    layer = layers[0] if layers else LayerParameter(name=row.layer, type=row.type)
    return Misfit(layer, net or NetParameter(), row.shapes, row.source_shapes, inputs, images)


def _causes(misfits: Sequence[Misfit], due: int, frozen: set[str], heads: Collection[str]) -> Iterator[str]:
    """A sentence for each cause, with the first layer that has it and how many more."""
    groups: dict[Cause, list[Misfit]] = {}
    for misfit in misfits:
        other_classes = misfit.layer.name in heads and misfit.wanted[0][0] != misfit.stored[0][0]
        groups.setdefault(OF_THIS_NAME if other_classes else cause_of(misfit), []).append(misfit)
    vague = [misfit for cause, alike in groups.items() if cause.vague for misfit in alike]
    if len(vague) >= MOST_MISSING and 2 * len(vague) > due:
        groups = {cause: alike for cause, alike in groups.items() if not cause.vague}
        groups[Cause("", ANOTHER_NET)] = vague
    for cause, alike in groups.items():
        first = alike[0]
        more = f" (and {len(alike) - 1} more so)" if len(alike) > 1 else ""
        why = f": {cause.why}; " if cause.why else ": "
        held = any(misfit.layer.name in frozen for misfit in alike)
        do = cause.do.replace("name it", "take it out of surgery.freeze and name it") if held else cause.do
        yield f"layer {first.layer.name} {first.fact}{more}{why}{do}"


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
    if not _fits(shapes, source.blobs):
        return LayerTransfer(name, kind, "shape_mismatch", shapes, _of_today(shapes, source.blobs), "")
    return LayerTransfer(name, kind, "frozen" if frozen else "copied", shapes, source.shapes, "")


def _shared(name: str, kind: str, shapes: tuple[Shape, ...], giver: str, frozen: bool) -> LayerTransfer:
    remark = f"shares the params of {giver}"
    return LayerTransfer(name, kind, "frozen" if frozen else "copied", shapes, shapes, remark)


def _fits(shapes: tuple[Shape, ...], blobs: Sequence[BlobWeights]) -> bool:
    """Whether Caffe would copy the blobs into params of these shapes."""
    return len(shapes) == len(blobs) and all(map(same_shape, shapes, blobs))


def _of_today(shapes: tuple[Shape, ...], blobs: Sequence[BlobWeights]) -> tuple[Shape, ...]:
    """The shapes of blobs, of those with the four dimensions of old as many as the net's params have."""
    axes = [len(shape) for shape in shapes] + [_LEGACY_AXES] * len(blobs)
    found = []
    for blob, count in zip(blobs, axes, strict=False):
        front, rest = blob.shape[: len(blob.shape) - count], blob.shape[len(blob.shape) - count :]
        shorter = blob.legacy and count < _LEGACY_AXES and set(front) == {1}
        found.append(rest if shorter else blob.shape)
    return tuple(found)


def same_shape(shape: Shape, blob: BlobWeights) -> bool:
    """Return whether Caffe takes a stored blob for a param of that shape (blob.cpp, ShapeEquals).

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
    fitting = [layer.name for layer in free if _fits(shapes, layer.blobs)]
    like = closest(name, fitting) or closest(name, [layer.name for layer in free])
    hint = f" (it looks like {like} of the weights)" if like else ""
    remark = (
        f"layer {name} is not in the weights{hint} and would be randomly initialised: give it the name it "
        "has there, or name it in surgery.relearn"
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
            remark = f"replaced by {new_names[layer.name]}" if layer.name in new_names else _NOT_IN_NET
            kind = layer.type or types.get(layer.name, "")
            rows.append(LayerTransfer(layer.name, kind, "unused", (), layer.shapes, remark))
    return rows
