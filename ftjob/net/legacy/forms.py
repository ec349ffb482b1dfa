"""The forms of prototxts: what to write where two of them are mixed, or a solver is given as net."""

from ftjob.net.forks.places import Place
from ftjob.net.legacy.upgrade import OLD_NAMES
from ftjob.net.proto.caffe_pb2 import LayerParameter, NetParameter, SolverParameter, V1LayerParameter
from ftjob.net.topology.layertypes import KNOWN

_TODAY = frozenset(LayerParameter.DESCRIPTOR.fields_by_name)
_OLD = frozenset(V1LayerParameter.DESCRIPTOR.fields_by_name)
_SOLVER = frozenset(SolverParameter.DESCRIPTOR.fields_by_name) - set(NetParameter.DESCRIPTOR.fields_by_name)
_NETS_OF_SOLVER = ("net", "train_net")
_INLINE_NETS = ("net_param", "train_net_param")

_OF_A_LAYER = 2
"""The length of a path that names a field of a layer itself."""
_ALL_TODAY = "write every `layers` as `layer`, with its type in quotes"


def mixed_form(stopped: Place, places: list[Place]) -> str:
    """Return the complaint about a field whose form is not its layer's, with what to write instead;
    nothing for any other field.

    `stopped` is where the parser stopped, `places` are all fields of the text.
    """
    if len(stopped.path) != _OF_A_LAYER or not stopped.in_layer:
        return ""
    form, name = stopped.path
    own = [place for place in places if place.layer == stopped.layer and place.path[0] == form]
    if name == "type":
        return _type_of_today(stopped) if form == "layer" else _old_type(stopped)
    if form == "layers":
        return _in_old_layer(name, stopped, own)
    return _in_layer(name, stopped, own)


def solver_instead(places: list[Place]) -> str:
    """Return the complaint about a solver where a net is expected; "" where the text is no solver."""
    outside = {place.path[0]: place for place in places if len(place.path) == 1}
    if not _SOLVER & set(outside) or {"layer", "layers"} & set(outside):
        return ""
    named = [outside[name].value for name in _NETS_OF_SOLVER if name in outside and outside[name].value]
    if named:
        return (
            f'is a solver, not a net: give the net that it names, "{named[0]}", as base.net, and its '
            "training settings as fields of solver"
        )
    if inline := [name for name in _INLINE_NETS if name in outside]:
        return (
            f"is a solver, not a net: the net is in its {inline[0]}; write that into a file of its own "
            "and give it as base.net"
        )
    return "is a solver, not a net: give the prototxt with the layers as base.net"


def net_instead(places: list[Place]) -> str:
    """Return the complaint about a net where a solver is expected; "" where the text is no net."""
    if any(place.path in (("layer",), ("layers",)) for place in places):
        return "is a net, not a solver: give the prototxt that has base_lr"
    return ""


def _old_type(stopped: Place) -> str:
    """For a type in the current form inside the old one."""
    if stopped.value not in KNOWN:
        return ""
    old = next((name for name, today in OLD_NAMES.items() if today == stopped.value and name.isupper()), "")
    if not old:
        return f"the old form, `layers`, has no type {stopped.value}: {_ALL_TODAY}"
    return (
        f"in the old form, `layers`, this type is the word {old}, without quotes: write that, or {_ALL_TODAY}"
    )


def _type_of_today(stopped: Place) -> str:
    """For a type without quotes in the current form."""
    today = OLD_NAMES.get(stopped.value, stopped.value)
    if today not in KNOWN:
        return ""
    return f'in `layer`, the current form, a type is text in quotes: write type: "{today}"'


def _in_old_layer(name: str, stopped: Place, own: list[Place]) -> str:
    if name == "param" and not stopped.value:
        rates = _rates(own)
        columns = [f"blobs_lr: {lr_mult}" for lr_mult, _ in rates]
        columns += [f"weight_decay: {decay_mult}" for _, decay_mult in rates]
        return (
            "`param { … }` is the current form, and `layers` the old one: write "
            f"{' '.join(columns)} in its place, or {_ALL_TODAY}"
        )
    if name in _TODAY - _OLD:
        return f"{name} is the current form, and `layers` the old one, which has no such field: {_ALL_TODAY}"
    return ""


def _in_layer(name: str, stopped: Place, own: list[Place]) -> str:
    if name == "param" and stopped.value:
        return f'in `layer`, the current form, a shared param is written param {{ name: "{stopped.value}" }}'
    if name in ("blobs_lr", "weight_decay"):
        lr_mults, decay_mults = (
            [place.value for place in own if place.inside == (field,)]
            for field in ("blobs_lr", "weight_decay")
        )
        count = max(len(lr_mults), len(decay_mults))
        rows = zip(_padded(lr_mults, count), _padded(decay_mults, count), strict=True)
        params = " ".join(f"param {{ lr_mult: {lr} decay_mult: {decay} }}" for lr, decay in rows)
        return f"{name} belongs to the old form, `layers`: in `layer` write {params} instead"
    if name in _OLD - _TODAY:
        return (
            f"{name} belongs to the old form, `layers`, and `layer` has no such field: write everything in "
            "the current form"
        )
    return ""


def _rates(own: list[Place]) -> list[tuple[str, str]]:
    """(lr_mult, decay_mult) of every `param { … }` of a layer, in order."""
    found = []
    for param in sorted(
        (place for place in own if place.inside == ("param",)), key=lambda place: place.start
    ):
        within = {
            place.path[-1]: place.value
            for place in own
            if param.start < place.start and place.end <= param.end
        }
        found.append((within.get("lr_mult", "1"), within.get("decay_mult", "1")))
    return found


def _padded(values: list[str], count: int) -> list[str]:
    return values + ["1"] * (count - len(values))
