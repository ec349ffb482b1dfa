"""What an engine is given of a base net only computes, whatever stood in it."""

import contextlib

import pytest

from ftjob.errors import BadNetError
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.surgery.operation import DataLayers, operate
from ftjob.net.topology.layertypes import COMPUTING, KNOWN
from ftjob.net.zoo import build
from jobspec.spec import Surgery

DATA = DataLayers(train="t", val="v", channels=1, height=28, width=28, batch_size=4, test_batch_size=2)


@pytest.mark.parametrize("bottoms", [[], ["conv1"], ["conv1", "label"]])
@pytest.mark.parametrize("phase", ["", "TRAIN", "TEST"])
@pytest.mark.parametrize("kind", sorted(KNOWN - COMPUTING))
def test_layers_that_do_more_are_left_out_or_refused(kind: str, phase: str, bottoms: list[str]) -> None:
    """Of all nets of a run, ftjob's own Data layers and the deploy net's Input are the only sources."""
    net = build("lenet")
    odd = net.layer.add(name="odd", type=kind, bottom=bottoms, top=["odd"])
    if phase:
        odd.include.add(phase=phase)
    net.layer.add(name="read", type="Silence", bottom=["odd"])
    with contextlib.suppress(BadNetError):
        done = operate(net, Surgery(), 3, DATA, "new")
        first, second, *trained = done.train_val.layer
        assert [layer.data_param.source for layer in (first, second)] == ["t", "v"]
        assert _types(trained) <= COMPUTING
        assert done.deploy.layer[0].type == "Input"
        assert _types(done.deploy.layer[1:]) <= COMPUTING


def _types(layers: object) -> set[str]:
    return {layer.type for layer in NetParameter(layer=layers).layer}  # type: ignore[arg-type]
