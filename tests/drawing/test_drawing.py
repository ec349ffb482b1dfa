"""The drawing of a plan, measured: what stands where, and whether it can be read."""

import os
import re
import subprocess
import sys
from collections import Counter
from functools import cache
from itertools import combinations
from pathlib import Path
from xml.etree import ElementTree

import pytest
from PIL import ImageFont

from ftjob.drawing.boxes import boxes_of
from ftjob.drawing.drawing import HEIGHT, STYLES, draw
from ftjob.drawing.drawn_net import net_of_plan
from ftjob.drawing.svg import GAP, MARGIN, RISE
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.plan.plan import Plan
from tests.plan.specs import plan, relearned

pytestmark = pytest.mark.slow

SVG = "{http://www.w3.org/2000/svg}"
Rect = tuple[float, float, float, float]
"""Left, top, right, bottom."""


def any_net(name: str) -> Plan:
    return plan(
        base={"net": name, "weights": None}, surgery={"freeze": "none"}, data={"crop": zoo.get(name).crop}
    )


def drawn(made: Plan) -> ElementTree.Element:
    return ElementTree.fromstring(draw(net_of_plan(made)))


def box_group(svg: ElementTree.Element) -> ElementTree.Element:
    return svg.findall(f"{SVG}g")[1]


def rects(group: ElementTree.Element) -> list[Rect]:
    found = []
    for rect in group.findall(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(name, "")) for name in ("x", "y", "width", "height"))
        found.append((x, y, x + width, y + height))
    return found


@cache
def font(bold: bool, size: float) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib ships."""
    from matplotlib import get_data_path  # here, because it is slow to import

    name = f"DejaVuSans{'-Bold' if bold else ''}.ttf"
    return ImageFont.truetype(Path(get_data_path()) / "fonts" / "ttf" / name, size)


def extent(text: ElementTree.Element) -> tuple[float, float]:
    """From where to where a text goes, in DejaVu Sans."""
    size = float(text.get("font-size", ""))
    width = font(text.get("font-weight") == "bold", size).getlength(text.text or "")
    start = {"start": 0.0, "middle": width / 2, "end": width}[text.get("text-anchor", "")]
    x = float(text.get("x", "")) - start
    return x, x + width


@pytest.mark.parametrize("name", zoo.NAMES)
def test_no_box_lies_on_another(in_faces: Path, name: str) -> None:
    """Boxes of a rank keep their gap, and those of different ranks are apart."""
    for (left, top, right, bottom), (left2, top2, right2, bottom2) in combinations(
        rects(box_group(drawn(any_net(name)))), 2
    ):
        beside = max(left, left2) - min(right, right2)
        below = max(top, top2) - min(bottom, bottom2)
        assert beside >= GAP - 0.2 or below >= RISE - 0.2


def test_every_text_can_be_read_and_stays_in_its_box(in_faces: Path) -> None:
    """10 px or more; inside its box, and clear of the word beside it."""
    svg = drawn(relearned())
    boxes, texts = rects(box_group(svg)), box_group(svg).findall(f"{SVG}text")

    assert min(float(text.get("font-size", "")) for text in svg.iter(f"{SVG}text")) >= 10
    lines: dict[tuple[Rect, str], list[tuple[float, float]]] = {}
    for text in texts:
        start, end = extent(text)
        y = float(text.get("y", ""))
        [box] = [box for box in boxes if box[0] < start and end < box[2] and box[1] < y < box[3]]
        lines.setdefault((box, text.get("y", "")), []).append((start, end))
    for spans in lines.values():
        for (_, end), (start, _) in zip(sorted(spans), sorted(spans)[1:], strict=False):
            assert start - end > 4


@pytest.mark.parametrize("name", zoo.NAMES)
def test_arrows_go_from_box_to_box_and_through_none(in_faces: Path, name: str) -> None:
    """Every arrow of the net is there; where one passes a rank, no box of it is in the way."""
    made = any_net(name)
    svg = drawn(made)
    boxes = rects(box_group(svg))
    paths = [path.get("d", "") for path in svg.findall(f"{SVG}g")[0].findall(f"{SVG}path")]

    assert len(paths) == len(boxes_of(net_of_plan(made)).arrows) > 0
    for path in paths:
        numbers = [float(number) for number in re.findall(r"-?[\d.]+", path)]
        ends = [(numbers[0], numbers[1] - HEIGHT), (numbers[-2], numbers[-1])]
        for x, top in ends:
            assert any(left < x < right and abs(top - box_top) < 0.2 for left, box_top, right, _ in boxes)
        for x, above, below in re.findall(r"([\d.]+) ([\d.]+)V([\d.]+)", path):
            middle = (float(above) + float(below)) / 2
            assert not [box for box in boxes if box[0] < float(x) < box[2] and box[1] < middle < box[3]]


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_layer_with_params_is_drawn_once(in_faces: Path, name: str) -> None:
    """Under its own name, or in the box of the layer it works in place on."""
    made = any_net(name)
    boxes = boxes_of(net_of_plan(made))
    types = {layer.layer: layer.type for layer in made.transfer}
    names = [box.name for box in boxes.boxes]

    assert len(names) == len(set(names))
    for layer, kind in types.items():
        assert layer in names or kind in ("BatchNorm", "Scale")
    assert {box.name for box in boxes.boxes if box.kind == "head"} == {head.layer for head in made.heads}


@pytest.mark.parametrize("name", zoo.NAMES)
def test_arrows_are_the_blobs_that_are_read(in_faces: Path, name: str) -> None:
    """A box has as many arrows as its layer has bottoms, labels apart; nothing ends but in a loss."""
    made = any_net(name)
    net = boxes_of(net_of_plan(made))
    into, out = Counter(end for _, end in net.arrows), Counter(start for start, _ in net.arrows)
    bottoms = {
        layer.name: len(set(layer.bottom) - {"label"})
        for layer in made.train_val.layer
        if not layer.include or layer.include[0].phase == TRAIN
    }

    assert [into[number] for number, _ in enumerate(net.boxes)] == [bottoms[box.name] for box in net.boxes]
    assert {box.name for number, box in enumerate(net.boxes) if not out[number]} == {
        layer.name for layer in made.train_val.layer if layer.type == "SoftmaxWithLoss"
    }


def test_kinds_differ_in_three_ways(in_faces: Path) -> None:
    """By colour, by border and by a word; each kind is in the drawing and in its legend."""
    styles = list(STYLES.values())
    texts = [text.text for text in drawn(relearned()).iter(f"{SVG}text")]

    for ways in (
        [style.fill for style in styles],
        [style.border for style in styles],
        [style.line for style in styles],
    ):
        assert len(set(ways)) == len(styles)
    for kind, style in STYLES.items():
        assert texts.count(style.meaning) == 1
        assert kind == "plain" or texts.count(kind) >= 2
    assert texts.count("head") == 1 + 3
    assert texts.count("new") == 1 + 1


def test_everything_is_on_the_page(in_faces: Path) -> None:
    """Title, legend and boxes end before the margin."""
    svg = drawn(relearned())
    width, height = float(svg.get("width", "")), float(svg.get("height", ""))
    shift = float(re.findall(r"[\d.]+", box_group(svg).get("transform", ""))[0])

    outside = [text for text in svg.findall(f"{SVG}text") if extent(text)[1] > width - MARGIN / 2]
    assert outside == []
    assert max(box[2] for box in rects(box_group(svg))) + shift <= width - MARGIN + 0.2
    assert max(box[3] for box in rects(box_group(svg))) < height


def test_the_same_plan_is_the_same_drawing(in_faces: Path) -> None:
    """To the byte, however Python hashes."""
    code = (
        "import sys; from ftjob.drawing.drawing import draw; "
        "from ftjob.drawing.drawn_net import net_of_plan; "
        "from tests.plan.specs import relearned; "
        "sys.stdout.write(draw(net_of_plan(relearned())))"
    )
    other = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "PYTHONHASHSEED": "7"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert other.stdout == draw(net_of_plan(relearned())) == draw(net_of_plan(relearned()))


def test_names_are_text(in_faces: Path) -> None:
    """A layer called like markup is shown as it is called."""
    made = relearned()
    for layer in made.train_val.layer:
        if layer.name == "pool5/7x7_s1":
            layer.name = '<b>&"pool"'

    assert '<b>&"pool"' in [text.text for text in drawn(made).iter(f"{SVG}text")]
