"""The built-in nets are the published ones."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net import zoo
from ftjob.prepare.prepare import read_net


def test_every_name_builds_a_net_with_data_and_a_loss() -> None:
    """Each built-in net is a train_val: Data for both phases, at least one loss and one accuracy."""
    for name in zoo.NAMES:
        types = [layer.type for layer in zoo.build(name).layer]

        assert types.count("Data") == 2, name
        assert {"SoftmaxWithLoss", "Accuracy"} <= set(types), name


def test_a_build_is_the_callers_own() -> None:
    """Changing a net that was built does not change the next one."""
    zoo.build("lenet").layer[0].name = "changed"

    assert zoo.build("lenet").layer[0].name == "data"


def test_an_unknown_name_is_answered_with_the_nearest_and_the_list() -> None:
    """A misspelt net says which one was meant, and which there are."""
    with pytest.raises(BadNetError, match=r"did you mean googlenet\? \(there are lenet, caffenet"):
        zoo.build("GoogLenet")


def test_googlenet_has_three_weighted_heads() -> None:
    """GoogLeNet's auxiliary losses weigh 0.3 each, its main one 1."""
    losses = [layer for layer in zoo.build("googlenet").layer if layer.type == "SoftmaxWithLoss"]

    assert [loss.bottom[0] for loss in losses] == [f"loss{n}/classifier" for n in (1, 2, 3)]
    assert [loss.loss_weight[0] for loss in losses] == pytest.approx([0.3, 0.3, 1])


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("resnet", "resnet50"),
        ("vgg", "vgg"),
        ("caffe-net", "caffenet"),
        ("alexnet.prototxt", "alexnet"),
        ("bvlc_alexnet", "alexnet"),
        ("mobilenet", ""),
        ("densenet", ""),
        ("shufflenet", ""),
        ("zfnet", ""),
    ],
)
def test_only_near_names_are_suggested(written: str, meant: str) -> None:
    """That two nets are both called net makes neither a slip for the other."""
    for look in (zoo.get, read_net):
        with pytest.raises(BadNetError) as refused:
            look(written)
        hint = f"; did you mean {meant}" if meant else ""
        assert ("did you mean" in str(refused.value)) == bool(meant)
        assert hint in str(refused.value)
