"""What a net says about its images."""

import pytest

from ftjob.net import zoo
from ftjob.net.prototxt import parse_net
from ftjob.net.transforms import Transform, own_transform

TAIL = 'layer { name: "r" type: "ReLU" bottom: "data" top: "r" }'


@pytest.mark.parametrize(
    ("layers", "wanted"),
    [
        (
            'layer { name: "d" type: "Data" top: "data" transform_param { scale: 0.5 mirror: true '
            "crop_size: 8 mean_value: 1 mean_value: 2 mean_value: 3 } }",
            Transform("d", 8, (1, 2, 3), "", 0.5, True),
        ),
        (
            'layer { name: "d" type: "Data" top: "data" include { phase: TRAIN } '
            "transform_param { mirror: true crop_size: 8 } }"
            'layer { name: "e" type: "ImageData" top: "data" include { phase: TEST } '
            'transform_param { mean_file: "a/m.binaryproto" crop_size: 9 } }',
            Transform("d", 8, (), "a/m.binaryproto", 1, True),
        ),
        (
            'layers { name: "d" type: DATA top: "data" '
            "data_param { scale: 0.25 crop_size: 8 mirror: true } }",
            Transform("d", 8, (), "", 0.25, True),
        ),
        (
            'input: "data" input_dim: 1 input_dim: 3 input_dim: 8 input_dim: 8',
            Transform("input", 8, (), "", 1, False),
        ),
        (
            'layer { name: "i" type: "Input" top: "data" '
            "input_param { shape { dim: 1 dim: 3 dim: 8 dim: 9 } } }",
            Transform("i", None, (), "", 1, False),
        ),
        (
            'layer { name: "m" type: "MemoryData" top: "data" top: "l" memory_data_param { batch_size: 2 '
            "channels: 3 height: 8 width: 8 } transform_param { scale: 2 } }",
            Transform("m", 8, (), "", 2, False),
        ),
        ('layer { name: "h" type: "HDF5Data" top: "data" }', Transform("h", None, (), "", 1, False)),
        ("", None),
    ],
)
def test_the_transform_is_that_of_the_data_layers(layers: str, wanted: Transform | None) -> None:
    """In any form and any phase; a deploy net gives a size."""
    form = TAIL.replace("layer", "layers").replace('"ReLU"', "RELU") if "layers" in layers else TAIL

    assert own_transform(parse_net(f"{layers}\n{form}", "net")) == wanted


def test_a_known_mean_image_has_known_values() -> None:
    """ImageNet's, wherever it lies; another one has none."""
    named = Transform("d", None, (), "data/ilsvrc12/imagenet_mean.binaryproto", 1, False)

    assert named.known_mean == (104, 117, 123)
    assert Transform("d", None, (), "mean.binaryproto", 1, False).known_mean == ()
    assert Transform("d", None, (1,), "", 1, False).known_mean == (1,)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_built_in_nets_have_their_known_transforms(name: str) -> None:
    """Their data layers have the crop, mean and scale of their entries."""
    net, own = zoo.get(name), own_transform(zoo.build(name))

    assert own is not None
    assert (own.crop, own.mean) == (net.crop, pytest.approx(net.mean))
    assert own.scale == pytest.approx(net.scale)
