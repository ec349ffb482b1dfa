"""Nets as programs of torch.export: the engine's numbers, for any number of images."""

from pathlib import Path

import numpy as np
import pytest

from ftjob.engine.open import open_deploy
from ftjob.net.topology.shapes import infer_shapes
from tests.engine import branches
from tests.engine.test_onnx import MORE, TABLE, different, net_of, written

pytestmark = [pytest.mark.torch, pytest.mark.slow, pytest.mark.usefixtures("forked_torch")]

POOLS = ("max_3_2", "max_2_6_pad_1", "max_global", "ave_4_3_pad_1", "ave_global")
"""Whose windows are PyTorch's own, are clipped or are the whole map."""
SHAPE = (1, 6, 11, 9)


def layers() -> str:
    """Each layer that does not learn while it answers, on the input itself."""
    simple = {name: f'type: "{kind}" {settings}' for name, (kind, settings) in branches.SIMPLE.items()}
    pools = {name: f'type: "Pooling" pooling_param {{ {branches.POOLS[name]} }}' for name in POOLS}
    several = (text for name, text in branches.SEVERAL.items() if name != "in_place")
    return "\n".join(
        [
            *(
                f'layer {{ name: "{name}" bottom: "data" top: "{name}" {text} }}'
                for name, text in (simple | pools | MORE).items()
            ),
            *(
                text.replace("NAME_a", "data").replace("NAME", f"x{number}")
                for number, text in enumerate(several)
            ),
            TABLE,
        ]
    )


def test_every_layer_gives_the_engines_numbers(tmp_path: Path) -> None:
    """Of one image and of five, none of which is the number that it was traced with."""
    from ftjob.engine.torch.process import program

    net = net_of(layers(), SHAPE)
    outputs = [blob for blob in infer_shapes(net).outputs if not blob.startswith("(")]
    deploy, weights = written(tmp_path, net)
    loaded = program.LoadedProgram(program.export(net, weights, outputs, None, {}))
    with open_deploy("torch", deploy, weights, log=tmp_path / "log") as engine:
        for count in (1, 5):
            images = np.random.default_rng(count).normal(0, 1, (count, *SHAPE[1:])).astype(np.float32)
            wanted = engine.forward(images, outputs, at_once=count)
            assert different(loaded.forward(images, outputs)[1], wanted) == {}
