"""Losses that ftjob has no labels for: the message about them is true, and what it says to write works."""

import pytest

from ftjob.errors import BadNetError
from ftjob.net.prototxt import parse_net
from ftjob.net.surgery.data_layers import DataLayers
from ftjob.net.surgery.operation import operate
from ftjob.net.topology.layertypes import OTHER_LOSSES
from jobspec.spec import Surgery

DATA = DataLayers(train="t", val="v", channels=3, height=8, width=8, batch_size=4, test_batch_size=2)
NET = """
    layer { name: "d" type: "Data" top: "data" top: "label" }
    layer { name: "fc" type: "InnerProduct" bottom: "data" top: "fc" inner_product_param { num_output: 9 } }
"""
SOFTMAX = 'layer { name: "p" type: "Softmax" bottom: "fc" top: "prob" }\n'
BESIDE = 'layer { name: "classes" type: "SoftmaxWithLoss" bottom: "fc" bottom: "label" }\n'


def _loss(kind: str, scores: str = "fc") -> str:
    return f'layer {{ name: "odd" type: "{kind}" bottom: "{scores}" bottom: "label" }}\n'


def _refusal(text: str) -> str:
    with pytest.raises(BadNetError, match=r"^layer \"odd\" is of type ") as caught:
        operate(parse_net(NET + text, "net"), Surgery(), 3, DATA, "new")
    return str(caught.value)


@pytest.mark.parametrize("kind", sorted(OTHER_LOSSES - {"ContrastiveLoss"}))
def test_what_is_to_be_written_is_taken(kind: str) -> None:
    """Alone, a loss is to be replaced, not to be taken out; with that the net is a classifier."""
    sentence = _refusal(_loss(kind))

    assert 'write type: "SoftmaxWithLoss" instead' in sentence
    assert "take it out" not in sentence
    assert operate(parse_net(NET + _loss("SoftmaxWithLoss"), "net"), Surgery(), 3, DATA, "new").main.loss


@pytest.mark.parametrize("kind", sorted(OTHER_LOSSES))
def test_beside_a_softmax_loss_it_can_go(kind: str) -> None:
    """The one that stays is named."""
    assert _refusal(_loss(kind) + BESIDE).endswith(': take it out, SoftmaxWithLoss "classes" stays')


def test_a_softmax_before_it_is_not_to_be_taken_twice() -> None:
    """Where the loss reads the softmax of the scores, what takes its place is to read the scores."""
    sentence = _refusal(SOFTMAX + _loss("InfogainLoss", "prob"))

    assert sentence.endswith('let it read "fc", of which it takes the softmax itself')


def test_infogain_is_described_as_comparing_with_one_class() -> None:
    """Which it does in Caffe 1.0; what it needs beyond is a file."""
    assert "compares scores with one class number per image as SoftmaxWithLoss does" in _refusal(
        _loss("InfogainLoss")
    )
