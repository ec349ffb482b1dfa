"""Fatal messages of Caffe of every age: each has its cause, and no rule of the table is dead."""

import re
from pathlib import Path

import pytest
import yaml

from ftjob import api
from ftjob.caffelog.rules import RULES

TABLE = yaml.safe_load(Path(__file__).with_name("messages.yaml").read_text(encoding="utf-8"))
MESSAGES = {each["says"]: each for each in TABLE}
ILLEGAL = "Check failed: error == cudaSuccess (77 vs. 0)  an illegal memory access was encountered"
LAUNCH = "Cuda kernel failed. Error: unspecified launch failure"
STAMP = "1121 22:57:00.828 15820 "
BEGINNING = f"""I{STAMP}solver.cpp:102] Creating training net from net file: train_val.prototxt
I{STAMP}net.cpp:53] Initializing net from parameters:
layer {{
  data_param {{
    source: "faces/train"
I{STAMP}net.cpp:86] Creating Layer data
I{STAMP}net.cpp:744] Copying source layer conv0
I{STAMP}net.cpp:86] Creating Layer conv1
"""
TRAINING = (
    f"{BEGINNING}I{STAMP}net.cpp:257] Network initialization done.\nI{STAMP}solver.cpp:289] Solving x\n"
)
LATE = f"I{STAMP}solver.cpp:239] Iteration 20000, loss = 0.7\n"


def fatal(message: str, before: str = BEGINNING) -> str:
    """A log that ends with a message; what comes after its first line has no stamp."""
    return f"{before}F{STAMP}some_layer.cpp:7] {message}\n*** Check failure stack trace: ***\n"


@pytest.mark.parametrize("message", MESSAGES)
def test_each_message_has_its_cause(tmp_path: Path, message: str) -> None:
    """In one sentence without holes, with a patch that is YAML."""
    before = TRAINING if MESSAGES[message].get("while") == "training" else BEGINNING
    (tmp_path / "log").write_text(fatal(message, before))

    found = api.explain(str(tmp_path / "log"))

    assert MESSAGES[message]["cause"] in found.cause
    assert not re.search(r"\n|  | \)|\(\)|None|\{[a-z]", found.cause + found.fix)
    assert isinstance(yaml.safe_load(found.patch or "{}"), dict)
    assert found.seen == message.partition("\n")[0].strip()


def test_no_rule_is_dead() -> None:
    """For each there is a message that it is the first to match; those of one pattern differ in time."""
    first = {
        next(rule.pattern for rule in RULES if re.search(rule.pattern, f"{each}\n", re.M))
        for each in MESSAGES
    }

    assert {rule.pattern for rule in RULES} - first == set()


@pytest.mark.parametrize("message", [ILLEGAL, LAUNCH])
def test_what_a_gpu_trips_over_late_is_no_label(tmp_path: Path, message: str) -> None:
    """By then all of them have been seen: the GPU comes first."""
    (tmp_path / "log").write_text(fatal(message, LATE))

    found = api.explain(str(tmp_path / "log"))

    assert "long after the training began" in found.cause
    assert found.patch == ""


def test_what_a_gpu_trips_over_as_a_net_is_made_or_used_is_no_label(tmp_path: Path) -> None:
    """None has been read then; of a training that was resumed, none of the new data before it began again."""
    used = f"I{STAMP}net.cpp:86] Creating Layer conv1\nI{STAMP}net.cpp:257] Network initialization done.\n"
    resumed = f"{TRAINING}I{STAMP}caffe.cpp:1] Resuming from x.solverstate\n"
    causes = []
    for before in (BEGINNING, used, resumed + LATE, ""):
        (tmp_path / "log").write_text(fatal(ILLEGAL, before))
        causes.append("a label outside" in api.explain(str(tmp_path / "log")).cause)

    assert causes == [False, False, True, True]


PAIRS = f"""I{STAMP}parallel.cpp:425] GPUs pairs 0:1
I{STAMP}net.cpp:86] Creating Layer data
I{STAMP}net.cpp:257] Network initialization done.
"""
PEERS = "cannot reach one another's memory (P2P: error 77"


@pytest.mark.parametrize(
    ("between", "place", "cause"),
    [
        (PAIRS, "parallel.cpp:130", PEERS),
        (PAIRS, "math_functions.cu:79", "failed with error 77"),
        (
            f"{PAIRS}I{STAMP}parallel.cpp:420] Starting Optimization\n",
            "parallel.cpp:236",
            "usual cause is a label",
        ),
    ],
)
def test_what_gpus_trip_over_as_they_pair_is_no_label(
    tmp_path: Path, between: str, place: str, cause: str
) -> None:
    """Before the optimization starts none was read."""
    training = TRAINING.replace(
        f"I{STAMP}solver.cpp:289] Solving x\n", f"I{STAMP}solver.cpp:60] Solver scaffolding done.\n"
    )
    (tmp_path / "log").write_text(f"{training}{between}F{STAMP}{place}] {ILLEGAL}\n")

    assert cause in api.explain(str(tmp_path / "log")).cause


def test_a_caffemodel_that_protobuf_refuses_for_its_size(tmp_path: Path) -> None:
    """It is not called cut off: protobuf writes why before Caffe ends."""
    refused = (
        "[libprotobuf ERROR google/protobuf/io/coded_stream.cc:208] A protocol message was rejected because "
        "it was too big (more than 2147483647 bytes).  To increase the limit (or to disable these warnings), "
        "see CodedInputStream::SetTotalBytesLimit() in google/protobuf/io/coded_stream.h.\n"
    )
    (tmp_path / "log").write_text(
        fatal("Failed to parse NetParameter file: big.caffemodel", BEGINNING + refused)
    )

    found = api.explain(str(tmp_path / "log"))

    assert found.cause.startswith("big.caffemodel has more than 2147483647 bytes")
    assert "HDF5" in found.fix


def test_an_lmdb_without_a_name_leaves_no_hole(tmp_path: Path) -> None:
    """It is that of the layer that was being made, or of some layer."""
    failed = "Check failed: mdb_status == 0 (2 vs. 0) No such file or directory"
    causes = []
    for before in ("", f"I{STAMP}layer_factory.hpp:77] Creating layer data\n"):
        (tmp_path / "log").write_text(fatal(failed, before))
        causes.append(api.explain(str(tmp_path / "log")).cause)

    assert causes == [
        "an LMDB of the net cannot be read (No such file or directory)",
        "the LMDB that layer data of the net reads cannot be read (No such file or directory)",
    ]


@pytest.mark.parametrize("name", ["fc8", "conv2_1/x2/bn", "a b", "a: b", "[x]", '"', "yes", "7", "#1"])
def test_a_patch_names_a_layer_as_yaml_has_it(tmp_path: Path, name: str) -> None:
    """Whatever it is called."""
    (tmp_path / "log").write_text(fatal(f"Incompatible number of blobs for layer {name}"))

    assert yaml.safe_load(api.explain(str(tmp_path / "log")).patch) == {"surgery": {"relearn": [name]}}


def test_a_stack_trace_shows_who_took_the_params(tmp_path: Path) -> None:
    """Where the message is the same for weights that are loaded and for TEST nets."""
    trace = (
        "    @  0x566ab3  caffe::Net<>::ShareTrainedLayersWith()\n    @  0x588a98  caffe::Solver<>::Test()"
    )
    (tmp_path / "log").write_text(fatal("Incompatible number of blobs for layer fc") + trace)

    assert "in the TEST net than in the TRAIN net" in api.explain(str(tmp_path / "log")).cause
