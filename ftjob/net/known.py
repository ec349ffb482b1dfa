"""The names in a prototxt that protobuf takes as any text: types of layers and of fillers."""

from collections.abc import Iterator

from google.protobuf.message import Message

from ftjob.errors import BadNetError
from ftjob.net.forks.dialects import TYPES
from ftjob.net.forks.tolerant import Prototxt
from ftjob.net.legacy.upgrade import OLD_NAMES
from ftjob.net.proto.caffe_pb2 import FillerParameter, LayerParameter, NetParameter
from ftjob.net.topology.layertypes import KNOWN
from ftjob.suggest import did_you_mean

FILLERS = ("bilinear", "constant", "gaussian", "msra", "positive_unitball", "uniform", "xavier")
"""filler.hpp, GetFiller."""
_STATIC = "static"


def replace_static_fillers(net: NetParameter) -> list[str]:
    """Give fillers of NVIDIA's fork that repeat their random numbers the type without `static`, in place;
    return the types that were replaced."""
    replaced: dict[str, None] = {}
    for layer in net.layer:
        for filler in fillers(layer):
            if filler.type.removesuffix(_STATIC) in FILLERS and filler.type.endswith(_STATIC):
                replaced[filler.type] = None
                filler.type = filler.type.removesuffix(_STATIC)
    return list(replaced)


def check_names(net: NetParameter, source: Prototxt) -> None:
    """Raise BadNetError, with line and column, for a layer or filler of a type that neither Caffe has nor a
    fork that we know."""
    for layer in net.layer:
        if layer.type not in KNOWN and layer.type not in TYPES:
            kind = f'the unknown type "{layer.type}"' if layer.type else "no type"
            where = _where(source, layer, "type", layer.type)
            raise BadNetError(f'{where}: layer "{layer.name}" has {kind}{_meant(layer.type)}')
        for filler in fillers(layer):
            if filler.type not in FILLERS:
                where = _where(source, layer, "type", filler.type)
                raise BadNetError(
                    f'{where}: layer "{layer.name}" has a filler of the unknown type "{filler.type}"'
                    + did_you_mean(filler.type, FILLERS)
                )
            _check_range(source, layer, filler)


def _meant(kind: str) -> str:
    """What a type that is unknown probably is: one of the forms of old, or misspelt."""
    if kind in OLD_NAMES:
        return f", as the old forms have it; write {OLD_NAMES[kind]}"
    return did_you_mean(kind, KNOWN)


def _check_range(source: Prototxt, layer: LayerParameter, filler: FillerParameter) -> None:
    """Refuse what ends Caffe when the layer is filled (math_functions.cpp)."""
    if filler.type == "gaussian" and not filler.std > 0:
        where = _where(source, layer, "std", "")
        raise BadNetError(
            f'{where}: layer "{layer.name}" has a gaussian filler of std {filler.std:g}; make it more than 0'
        )
    if filler.type == "uniform" and not filler.min <= filler.max:
        where = _where(source, layer, "min", "")
        wrong = f"from {filler.min:g} to {filler.max:g}"
        raise BadNetError(
            f'{where}: layer "{layer.name}" has a uniform filler {wrong}; min must not be above max'
        )


def fillers(layer: LayerParameter) -> Iterator[FillerParameter]:
    """Yield the fillers of a layer's params."""
    for _, param in layer.ListFields():
        for field, value in param.ListFields() if isinstance(param, Message) else ():
            values = value if field.is_repeated else [value]
            yield from (each for each in values if isinstance(each, FillerParameter))


def _where(source: Prototxt, layer: LayerParameter, field: str, value: str) -> str:
    """The line and column of a field of a layer, or of its name, or the source alone."""
    inside = [place for place in source.places if place.path[0] in ("layer", "layers")]
    named = {place.layer for place in inside if place.path[-1] == "name" and place.value == layer.name}
    for name, text in ((field, value), ("name", layer.name)):
        for place in inside:
            if place.layer in named and place.path[-1] == name and place.value == (text or place.value):
                return f"{source.name}:{place.line}:{place.column}"
    return source.name
