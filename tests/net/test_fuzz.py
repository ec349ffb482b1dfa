"""Mutated prototxts and caffemodels end in a sentence or a result, never in anything else.

FTJOB_FUZZ=10000 runs that many prototxts and a fifth as many caffemodels; the suite runs a few hundred.
"""

import os
import random
import re
import resource
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.errors import BadNetError, FtjobError
from ftjob.net.caffemodel.mismatch import Images
from ftjob.net.caffemodel.transfer import check_transfer, plan_transfer
from ftjob.net.caffemodel.weights import read_weights
from ftjob.net.forks.nvidia import caffe_form, is_nvidias
from ftjob.net.forks.places import places
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import parse_net, to_text
from ftjob.net.surgery.operation import DataLayers, operate
from ftjob.net.topology.phases import reduce_rules
from ftjob.net.transforms import own_transform
from ftjob.net.zoo import build
from jobspec.spec import FreezeUpTo, Surgery

ROUNDS = int(os.environ.get("FTJOB_FUZZ", "300"))
SEED = 20
SLOW = 20.0
"""Seconds of this process: no mutation of a small net may take longer."""
LARGE = 1 << 20
"""Kilobytes more than before: a gigabyte."""

TEXTS = [path.read_text() for path in sorted((Path(__file__).parent / "nets").glob("*.prototxt"))]
TOKENS = [re.findall(r'"[^"]*"|[\w.+-]+|\S|\s+', text) for text in TEXTS]
FIELDS = [text[place.start : place.end] for text in TEXTS for place in places(text)]
VALUES: dict[str, list[str]] = {}
for _field in FIELDS:
    VALUES.setdefault(re.split(r"[\s:{]", _field)[0], []).append(_field)
POOL = [token for tokens in TOKENS for token in tokens if not token.isspace()]
_WORDS = """
    -1 0 4294967295 2147483647 99999999999999999999 nan inf -inf 1e400 { } [ ] : < > ; # ' " \\ \x00 é \ud800
    "" "\\377" "Python" "Axpy" "ReLU6" "SELU" "BN" "Data" "Split"
"""
_PHRASES = """
    layer { | layers { | ceil_mode: true | phase: TEST | input_dim: 3 | input: "x" | loss_weight: nan
    | propagate_down: true | param { name: "w" } | include { stage: "s" } | exclude { stage: "s" }
    | include { min_level: 2147483647 } | include { max_level: -2147483648 } | blobs_lr: 1 | type: DATA
    | param: "w" | batch_norm_param { scale_bias: true } | batch_norm_param { scale_filler { value: nan } }
    | convolution_param { hole: 99999999999 } | convolution_param { hole: ² } | convolution_param { relu: t }
    | weight_filler { type: "xavierstatic" } | eltwise_mem_sharing: true | base_lr: 1 | net: "x"
    | reshape_param { shape { dim: 0 dim: 1000 } } | loss_param { ignore_label: 1 label_smoothing: 1 }
"""
NASTY = [*_WORDS.split(), *_PHRASES.split("|")]
DATA = DataLayers(
    train="t", val="v", channels=3, height=10, width=10, batch_size=4, test_batch_size=2, crop=8, mean=(1.0,)
)
SURGERIES = [
    Surgery(),
    Surgery(relearn=["conv*"]),
    Surgery(freeze=FreezeUpTo(up_to="conv1")),
    Surgery(heads=["*"]),
]


def _mutated(rng: random.Random) -> str:
    """A text of nets/ with a few changes: of tokens wherever they stand, or of values and whole layers."""
    text = _of_tokens(rng) if rng.random() < 0.3 else _of_fields(rng)
    return text[: rng.randrange(len(text) + 1)] if rng.random() < 0.05 else text


def _of_tokens(rng: random.Random) -> str:
    tokens = list(rng.choice(TOKENS))
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        at = rng.randrange(len(tokens) + 1)
        piece = rng.choice(TOKENS)
        start = rng.randrange(len(piece))
        choices = [
            [],
            [rng.choice(NASTY)],
            [rng.choice(POOL)],
            piece[start : start + 30],
            tokens[at : at + 60] * 2,
        ]
        tokens[at : at + rng.choice([0, 1, 1, 5])] = rng.choice(choices)
    return "".join(tokens)


def _of_fields(rng: random.Random) -> str:
    """Values replaced by others of the same field, by nasty ones, or taken out; layers moved or doubled."""
    text = rng.choice(TEXTS)
    for _ in range(rng.choice([1, 1, 2, 3, 8])):
        found = places(text)
        if not found:
            break
        place = rng.choice(found)
        written = text[place.start : place.end]
        same = VALUES.get(place.path[-1], [written])
        changed = [
            rng.choice(same),
            f"{place.path[-1]}: {rng.choice(NASTY)}",
            "",
            written * 2,
            rng.choice(FIELDS),
        ]
        text = text[: place.start] + rng.choice(changed) + " " + text[place.end :]
    return text


def _plan(text: str, rng: random.Random) -> None:
    """What `ftjob plan` does with a net, down to the text Caffe would be given; and that once is enough."""
    net = parse_net(text, "fuzz.prototxt")
    surgery, classes = rng.choice(SURGERIES), rng.choice([2, 7])
    done = operate(net, surgery, classes, DATA, "new")
    plan_transfer(done.train_val, (), done.renamed, done.frozen, done.inputs)
    try:
        again = operate(parse_net(to_text(done.train_val), "again"), surgery, classes, DATA, "new")
        assert to_text(again.train_val) == to_text(done.train_val)
        assert to_text(again.deploy) == to_text(parse_net(to_text(done.deploy), "deploy"))
    except FtjobError as error:
        raise AssertionError(f"not once more: {error}") from error


@pytest.mark.slow
def test_any_prototxt_ends_in_a_sentence_or_a_plan() -> None:
    """No mutation of a prototxt raises anything but an FtjobError, hangs, or takes a gigabyte."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for seed in range(SEED, SEED + ROUNDS):
        rng = random.Random(seed)
        text = _mutated(rng)
        start = time.process_time()
        try:
            _plan(text, rng)
        except FtjobError as error:
            message = str(error)
            assert message, f"seed {seed}: an empty message"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error
        assert time.process_time() - start < SLOW, f"seed {seed} took too long"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGE


ZOO = [to_text(build(name)) for name in ("lenet", "caffenet", "squeezenet")]
ZOO_PLACES = [places(text) for text in ZOO]


@pytest.mark.slow
@given(data=st.data())
@settings(max_examples=ROUNDS // 2, deadline=None)
def test_any_text_like_the_zoos_is_a_net_or_refused(data: st.DataObject) -> None:
    """Parsed, completed and written again, or refused in a sentence that begins with the file."""
    index = data.draw(st.integers(0, len(ZOO) - 1))
    text, found = ZOO[index], ZOO_PLACES[index]
    replaced = data.draw(st.lists(st.sampled_from(found), min_size=1, max_size=3))
    for place in sorted(replaced, key=lambda place: -place.start):
        whole = text[place.start : place.end]
        change = data.draw(
            st.sampled_from([*NASTY, "", f"{whole} {whole}", f"{place.path[-1]}s: 1", whole[:-1]])
        )
        text = text[: place.start] + change + text[place.end :]

    net, refusal = _parsed(text)

    assert net or re.match(r"zoo\.prototxt(:\d+){0,2}: .", refusal)
    if net:
        assert parse_net(to_text(net), "again") == net
        with suppress(BadNetError):
            reduced = reduce_rules(net)
            assert reduce_rules(reduced) == reduced
            own_transform(reduced)


def _parsed(text: str) -> tuple[NetParameter | None, str]:
    try:
        return parse_net(text, "zoo.prototxt"), ""
    except BadNetError as error:
        return None, str(error)


def _mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    mutated = bytearray(content)
    for _ in range(rng.choice([1, 1, 3, 20])):
        at = rng.randrange(len(mutated) + 1)
        action = rng.randrange(5)
        if action == 0:
            mutated[at : at + 1] = bytes([rng.randrange(256)])
        elif action == 1:
            del mutated[at : at + rng.choice([1, 4, 100])]
        elif action == 2:
            mutated[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice([1, 3, 12])))
        elif action == 3:
            mutated[at:at] = b"\xff" * rng.choice([1, 5, 9, 11])
        else:
            del mutated[at:]
        if not mutated:
            break
    return bytes(mutated)


@pytest.mark.parametrize("net_path", ["lenet"], indirect=True)
def test_any_caffemodel_ends_in_a_sentence_or_a_plan(
    base_weights: Path, net: Any, data: DataLayers, tmp_path: Path
) -> None:
    """The same for mutations of a caffemodel, whose headers stand at its beginning and between its blobs."""
    content = _small(base_weights)
    done = operate(net, Surgery(), 7, data, "new")
    images = Images(data.channels, data.height, data.width, data.crop, own_transform(net))
    path = tmp_path / "fuzz.caffemodel"
    for seed in range(SEED, SEED + ROUNDS // 5 if ROUNDS > 1000 else SEED + ROUNDS):
        path.write_bytes(_mutated_bytes(content, random.Random(seed)))
        try:
            weights = read_weights(path)
            if is_nvidias(weights):
                b"".join(caffe_form(memoryview(path.read_bytes()), weights))
            rows = plan_transfer(done.train_val, weights, done.renamed, done.frozen, done.inputs)
            check_transfer(rows, done.train_val, done.inputs, images, done.frozen)
        except FtjobError as error:
            message = str(error)
            assert message, f"seed {seed}: an empty message"
        except Exception as error:
            raise AssertionError(f"seed {seed}: {type(error).__name__}: {error}") from error


def _small(weights: Path) -> bytes:
    """Weights whose bytes are mostly headers, so that mutations meet them."""
    model = NetParameter.FromString(weights.read_bytes())
    for layer in model.layer:
        for blob in layer.blobs:
            del blob.data[3:]
            blob.shape.dim[:] = [1] * (len(blob.shape.dim) - 1) + [len(blob.data)]
    return model.SerializeToString()
