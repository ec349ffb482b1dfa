"""Laws of large and deep prototxts: planned in time that grows with them, or refused in one sentence."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.errors import BadNetError
from ftjob.net.forks.tolerant import LARGEST
from ftjob.net.prototxt import MOST_LAYERS, parse_net
from ftjob.net.surgery.heads import find_heads
from ftjob.net.topology.phases import reduce_rules
from ftjob.prepare.prepare import read_net

DATA = 'layer { name: "data" type: "Data" top: "data" top: "label" data_param { source: "x" } }\n'
LIMIT = 20
"""Seconds of this process, of which none of these takes three on a quiet machine."""


def classifier(bottom: str, number: int = 0) -> str:
    return (
        f'layer {{ name: "ip{number}" type: "InnerProduct" bottom: "{bottom}" top: "ip{number}" '
        "inner_product_param { num_output: 9 } }\n"
        f'layer {{ name: "loss{number}" type: "SoftmaxWithLoss" bottom: "ip{number}" bottom: "label" '
        f'top: "loss{number}" }}\n'
    )


def chain(count: int, kind: str = "ReLU", extra: str = "") -> str:
    return DATA + "".join(
        f'layer {{ name: "r{at}" type: "{kind}" bottom: "{f"r{at - 1}" if at else "data"}" top: "r{at}" '
        f"{extra} }}\n"
        for at in range(count)
    )


def of_one_phase(count: int) -> str:
    """Everything but the classifier is for TRAIN, and TEST needs it too."""
    return chain(count, extra="include { phase: TRAIN }") + classifier(f"r{count - 1}")


def of_a_fork(count: int) -> str:
    text = chain(count, "Pooling", "pooling_param { pool: MAX kernel_size: 1 ceil_mode: true }")
    return text + classifier(f"r{count - 1}")


def through_dropouts(count: int) -> str:
    return DATA + classifier("data").replace('bottom: "ip0"', f'bottom: "r{count - 1}"').replace(
        'layer { name: "loss0"',
        "".join(
            f'layer {{ name: "r{at}" type: "Dropout" bottom: "{f"r{at - 1}" if at else "ip0"}" '
            f'top: "r{at}" }}\n'
            for at in range(count)
        )
        + 'layer { name: "loss0"',
    )


@pytest.mark.slow
@pytest.mark.parametrize("text", [of_one_phase, of_a_fork, through_dropouts])
def test_thousands_of_layers_are_read_in_seconds(text: Callable[[int], str]):
    """The way back from a loss, what a phase borrows and what a fork wrote are looked up."""
    written = text(MOST_LAYERS - 3)
    begin = time.process_time()
    net = reduce_rules(parse_net(written, "net"))
    heads = find_heads(net)

    assert [head.layer for head in heads] == ["ip0"]
    assert time.process_time() - begin < LIMIT


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (chain(MOST_LAYERS), "has 6,001 layers"),
        (" " * (LARGEST + 1), "has 4,194,305 bytes"),
        (DATA + "foo { " * 100_000 + "}" * 100_000, "no field foo"),
        ("layer { " * 100_000, "no field layer"),
        ('layer { name: "' + "\\" * 500_000, "missing ending quote"),
    ],
    ids=["layers", "bytes", "nested", "open", "string"],
)
def test_what_is_larger_or_deeper_than_any_net_is_refused_in_a_sentence(text: str, what: str):
    """At once, and without repeating it."""
    begin = time.process_time()
    with pytest.raises(BadNetError) as refused:
        parse_net(text, "net")

    assert what in str(refused.value)
    assert len(str(refused.value)) < 1000
    assert time.process_time() - begin < LIMIT


@pytest.mark.parametrize("heads", [31, 201])
def test_more_classifiers_than_any_net_has_are_refused(heads: int):
    """Each of them would be followed through the whole net."""
    net = parse_net(DATA + "".join(classifier("data", number) for number in range(heads)), "net")
    with pytest.raises(BadNetError, match=r"nets of at most \d+ are planned"):
        find_heads(net)


def test_a_file_that_is_no_text_of_that_size_is_not_read(tmp_path: Path):
    """More bytes than a prototxt has, and a pipe that nobody writes to."""
    large, pipe = tmp_path / "large.prototxt", tmp_path / "pipe.prototxt"
    large.write_text("# a net\n" * (LARGEST // 4))
    os.mkfifo(pipe)

    for path, what in ((large, "has 8,388,608 bytes"), (pipe, "it is not a file")):
        with pytest.raises(BadNetError, match=what):
            read_net(str(path))
