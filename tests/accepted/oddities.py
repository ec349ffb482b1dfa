"""What changes a whole net: names, phases, shared params, and what is written where it seldom stands."""

from collections.abc import Callable
from dataclasses import replace

from tests.accepted import layers
from tests.accepted.builder import Builder, Rate

LEARNED = ("Convolution", "InnerProduct", "Scale", "BatchNorm", "PReLU")
RULES = """
    phase: TRAIN | phase: TEST | stage: "train" | not_stage: "deploy" | stage: "val" | stage: "mine"
    | min_level: 1 | max_level: 0"""
NAMES = ("a/b", "with blank", "ü", "x" * 200, "../up", "data", "label", "prob", "accuracy", "", None)
WRITTEN = "loss_weight: 1 | loss_weight: 0 | loss_weight: -0.5 | blobs { data: [1, 2] }"


def some(b: Builder, *types: str) -> int | None:
    """The place of a layer that reads something, of some types where they are given; None where none is."""
    places = [
        at for at, layer in enumerate(b.layers) if layer.bottoms and layer.type in (types or [layer.type])
    ]
    return b.pick(*places) if places else None


def same_name(b: Builder) -> None:
    """Call two layers alike."""
    first, other = some(b), some(b)
    if first is not None and other is not None:
        b.change(first, name=b.layers[other].name)


def twin(b: Builder) -> None:
    """Give TEST a layer of its own in the place of one that learns."""
    at = some(b, *LEARNED)
    if at is None:
        return
    test = replace(b.layers[at], rule="include { phase: TEST }")
    b.change(at, rule="include { phase: TRAIN }")
    more = {"settings": test.settings.replace("num_output: ", "num_output: 1")}
    other = {"type": "ReLU", "settings": "", "rates": ()}
    b.layers.insert(at + 1, replace(test, **b.pick({}, more, {"name": f"{test.name}_test"}, other)))


def shared(b: Builder) -> None:
    """Let two layers share their params by name."""
    more: Rate = b.pick({}, {"share_mode": "PERMISSIVE"}, {"lr_mult": 2}, {"lr_mult": 0})
    for extra in (more, {}):
        at = some(b, *LEARNED)
        if at is not None:
            b.change(at, rates=({"name": "w", **extra}, {"name": "b"})[: b.pick(2, 1)])


def ruled(b: Builder) -> None:
    """Keep a layer to some nets."""
    at = some(b)
    if at is not None:
        b.change(at, rule=f"{b.pick('include', 'exclude')} {{ {b.either(RULES)} }}")


def written(b: Builder) -> None:
    """Write into a layer what may stand in any and does in few."""
    at = some(b)
    if at is not None:
        layer = b.layers[at]
        downs = " ".join(f"propagate_down: {b.pick('true', 'false')}" for _ in layer.bottoms)
        b.change(at, settings=f"{layer.settings} {b.either(f'{downs} | {WRITTEN}')}")


def rated(b: Builder) -> None:
    """Set rates that a person would not set."""
    at = some(b, *LEARNED)
    if at is not None:
        still: Rate = {"lr_mult": 0}
        b.change(at, rates=b.pick((still,), (still, still), ({"lr_mult": "1e30"},), ({"decay_mult": -1},)))


def renamed(b: Builder) -> None:
    """Call a layer what is hard for files, or taken."""
    at = some(b)
    if at is not None:
        b.change(at, name=b.pick(*NAMES))


def swapped(b: Builder) -> None:
    """Put a layer before the one that it came after."""
    at = some(b)
    if at:
        b.layers[at - 1], b.layers[at] = b.layers[at], b.layers[at - 1]


def again(b: Builder) -> None:
    """Add a layer a second time, under a name of its own."""
    at = some(b)
    if at is not None:
        layer = b.layers[at]
        b.append(replace(layer, name=b.name("again"), tops=tuple(b.name("again") for _ in layer.tops)))


def unread(b: Builder) -> None:
    """Add a layer with params whose top nobody reads, or Silence alone."""
    at = some(b)
    if at is not None:
        made = layers.fully(b, b.layers[at].bottoms[0])
        if b.chance(50):
            b.add("Silence", [made], tops=0)


ODDITIES: tuple[Callable[[Builder], None], ...] = (
    same_name,
    twin,
    shared,
    ruled,
    written,
    rated,
    renamed,
    swapped,
    again,
    unread,
)
