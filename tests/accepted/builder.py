"""A prototxt that grows by draws, with the shapes that its blobs have."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf import text_format
from hypothesis import strategies as st

from ftjob.net.layers import rule_of
from ftjob.net.legacy.upgrade import V1_TYPES
from ftjob.net.proto.caffe_pb2 import LayerParameter, V1LayerParameter

Draw = Callable[[st.SearchStrategy[Any]], Any]
Rate = dict[str, Any]
"""A ParamSpec: its fields by name."""

BATCH = 4
V1_WORDS = {word: V1LayerParameter.LayerType.Name(number) for number, word in V1_TYPES.items() if word}


@dataclass(frozen=True)
class Layer:
    """One layer of a prototxt."""

    name: str | None
    type: str
    bottoms: tuple[str, ...] = ()
    tops: tuple[str, ...] = ()
    settings: str = ""
    """Whatever else is written in it."""
    rates: tuple[Rate, ...] = ()
    rule: str = ""
    """Its include or exclude rule."""

    def text(self) -> str:
        """Write it in today's form."""
        rates = " ".join(f"param {{ {_fields(rate)} }}" for rate in self.rates)
        return self._text("layer", f'"{self.type}"', rates)

    def old_text(self) -> str:
        """Write it in the form of 2014, whose types are words and whose rates stand in lists."""
        columns = (("blobs_lr", "lr_mult"), ("weight_decay", "decay_mult"))
        rates = " ".join(f"{old}: {rate.get(new, 1)}" for old, new in columns for rate in self.rates)
        return self._text("layers", V1_WORDS[self.type], rates)

    def _text(self, message: str, kind: str, rates: str) -> str:
        names = [f'name: "{self.name}"'] if self.name is not None else []
        blobs = [f'bottom: "{blob}"' for blob in self.bottoms] + [f'top: "{blob}"' for blob in self.tops]
        lines = [" ".join([*names, f"type: {kind}", *blobs]), self.rule, rates, self.settings]
        return f"{message} {{\n" + "".join(f"  {line}\n" for line in lines if line) + "}\n"


def _fields(rate: Rate) -> str:
    return " ".join(
        f'{name}: "{value}"' if name == "name" else f"{name}: {value}" for name, value in rate.items()
    )


@dataclass
class Builder:
    """A net so far."""

    draw: Draw
    layers: list[Layer] = field(default_factory=list)
    shapes: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Of the blobs, in batches of BATCH."""
    count: int = 0

    def chance(self, percent: int) -> bool:
        """Whether something rare happens; not in the examples that are shrunk to."""
        return bool(self.draw(st.integers(0, 99)) >= 100 - percent)

    def pick(self, *options: Any) -> Any:
        """Draw one of some options, of which the first is the simplest."""
        return self.draw(st.sampled_from(options))

    def either(self, options: str) -> str:
        """Draw one of some texts with bars between them."""
        return str(self.pick(*(option.strip() for option in options.split("|"))))

    def number(self, least: int, most: int) -> int:
        """Draw a whole number."""
        return int(self.draw(st.integers(least, most)))

    def name(self, kind: str) -> str:
        """Return a name that no layer and blob has."""
        self.count += 1
        return f"{kind.lower()}{self.count}"

    def add(
        self, kind: str, bottoms: Sequence[str], settings: str = "", *, in_place: bool = False, tops: int = 1,
        name: str = "", rates: Sequence[Rate] = (), rule: str = "",
    ) -> str:  # fmt: skip
        """Add a layer; return its first top, or its first bottom where it has none."""
        name = name or self.name(kind)
        made = [name, *(f"{name}_{number}" for number in range(2, tops + 1))][:tops]
        if in_place:
            made[0] = bottoms[0]
        return self.append(Layer(name, kind, tuple(bottoms), tuple(made), settings, tuple(rates), rule))

    def append(self, layer: Layer) -> str:
        """Add a layer as it is; return what `add` does."""
        self.layers.append(layer)
        known = tuple(self.shapes[blob] for blob in layer.bottoms)
        for top, shape in zip(layer.tops, _tops(layer, known), strict=False):
            if layer.bottoms or top not in self.shapes:  # what brings images has theirs
                self.shapes[top] = shape
        return layer.tops[0] if layer.tops else layer.bottoms[0]

    def change(self, index: int, **fields: Any) -> None:
        """Change fields of the layer at a place."""
        self.layers[index] = replace(self.layers[index], **fields)

    def is_map(self, blob: str) -> bool:
        """Whether a blob has height and width."""
        return len(self.shapes[blob]) == 4


def _tops(layer: Layer, bottoms: tuple[tuple[int, ...], ...]) -> Sequence[tuple[int, ...]]:
    """The shapes of a layer's tops; those of its bottoms where Caffe would not make it."""
    param = text_format.Parse(layer.text().removeprefix("layer {").removesuffix("}\n"), LayerParameter())
    try:
        return rule_of(param).infer(param, bottoms).tops
    except Exception:  # noqa: BLE001 - plan will report it
        return (bottoms or ((BATCH,),)) * len(layer.tops)
