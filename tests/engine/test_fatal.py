"""What Caffe says when it ends, and what the user is told: first from texts, then from Caffe itself."""

from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.caffelog.fatal import explain
from ftjob.engine.caffe.client import open_engine
from ftjob.errors import (
    BadDataError,
    BadNetError,
    BadSpecError,
    EngineError,
    FtjobError,
    GpuMemoryError,
    StorageError,
)
from tests.engine import nets
from tests.engine.conftest import Job

STAMP = "1121 22:57:00.828 15820 "
BEGINNING = f"""I{STAMP}solver.cpp:102] Creating training net from net file: train_val.prototxt
I{STAMP}net.cpp:53] Initializing net from parameters:
  data_param {{
    source: "faces/train"
I{STAMP}net.cpp:86] Creating Layer data
I{STAMP}net.cpp:86] Creating Layer conv1
"""
CUDA = "Check failed: error == cudaSuccess"

SENTENCES = {
    "Top blob 'x' produced by multiple sources.": (BadNetError, "make blob x: rename one top"),
    "Incompatible number of blobs for layer fc8": (BadNetError, "layer fc8 has another number of params"),
    "Check failed: shape[i] >= 0 (-22 vs. 0) ": (BadNetError, "layer conv1 .* kernel larger"),
    "Check failed: shape[i] <= 2 (7 vs. 1) blob size exceeds INT_MAX": (BadNetError, "2\\^31"),
    "Check failed: mdb_status == 0 (30 vs. 0) Read-only file system": (BadDataError, "train .*lock file"),
    "Check failed: mdb_status == 0 (13 vs. 0) Permission denied": (BadDataError, "train .*lock file"),
    "Check failed: datum_height == data_mean_.height() (8 vs. 9)": (BadDataError, "mean has another size"),
    "Check failed: datum_channels == channels (3 vs. 1)": (BadDataError, "differ in channels, 3 after 1"),
    "Specify either 1 mean_value or as many as channels: 3": (BadDataError, "images' 3 channels"),
    "Check failed: ReadProtoFromBinaryFile(filename, proto) ": (BadDataError, "mean file of layer conv1"),
    "Check failed: label_value < prob_.shape(1) (7 vs. 5)": (BadDataError, "outside 0..num_output-1"),
    "Check failed: proto.SerializeToOstream(&output) ": (StorageError, "the disk is full"),
    "Cannot use GPU in CPU-only Caffe: check mode.": (EngineError, "built without GPU"),
    f"{CUDA} (2 vs. 0)  out of memory": (GpuMemoryError, "memory is full: lower data.batch_size"),
    f"{CUDA} (8 vs. 0)  invalid device function": (EngineError, "error 8 invalid device function"),
    "Check failed: status == CUDNN_STATUS_SUCCESS (4 vs. 0)  INTERNAL_ERROR": (EngineError, "error 4"),
    "Unknown solver type: Foo (known types: SGD)": (BadSpecError, "solver.type Foo"),
    "Unknown learning rate policy: stepp": (BadSpecError, "solver.lr_policy stepp"),
    "Check failed: a == b (1 vs. 2) something new": (BadNetError, r"layer conv1 .*a == b .* \(some.cpp:7\)"),
}  # fmt: skip


@pytest.mark.parametrize("text", SENTENCES)
def test_each_fatal_line_has_its_sentence(text: str):
    """With the layer that was being made, and the data that the net's description named."""
    kind, sentence = SENTENCES[text]

    error = explain(f"{BEGINNING}F{STAMP}some.cpp:7] {text}\n*** Check failure stack trace: ***\n", -6)

    assert type(error) is kind
    assert "\n" not in str(error)
    with pytest.raises(kind, match=sentence):
        raise error


def test_no_layer_is_blamed_once_the_net_is_made():
    """Nor for what another thread says, which is the one that reads data ahead."""
    made = f"{BEGINNING}I{STAMP}net.cpp:257] Network initialization done.\n"
    for log in (f"{made}F{STAMP}some.cpp:7] oh", f"{BEGINNING}F1121 22:57:00.828 99 some.cpp:7] oh"):
        assert str(explain(log, -6)) == "Caffe stopped with: oh (some.cpp:7)"


def test_an_end_without_words_is_explained_by_its_signal_and_log():
    """A crash points at labels; memory that ran out at the batch size; an exit code stays one."""
    crash = explain("I am here\n    @ 0x7f libcaffe\n*** SIGSEGV (@0x0) ***\n", -11)
    assert "ended by SIGSEGV (a label outside" in str(crash)
    assert str(crash).endswith("the last lines of its log: I am here")
    assert "lower data.batch_size" in str(explain("  what():  std::bad_alloc", -6))
    assert "exit code 3" in str(explain("", 3))


def _edited(old: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "train_val.prototxt"
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    return edit


def _val(content: bytes | None) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / "val" / "data.mdb").unlink()
        if content is not None:
            (folder / "val" / "data.mdb").write_bytes(content)

    return damage


def _no_records(folder: Path) -> None:
    (folder / "train" / "data.mdb").unlink()
    nets.write_lmdb(folder / "train", nets.records(0))


def _other_val(folder: Path) -> None:
    (folder / "val" / "data.mdb").unlink()
    nets.write_lmdb(folder / "val", nets.records(7, size=9))


def _two_sizes(folder: Path) -> None:
    (folder / "train" / "data.mdb").unlink()
    nets.write_lmdb(folder / "train", nets.records(2))
    nets.write_lmdb(folder / "train", nets.records(2, size=9), first=2)


CAUSES: dict[str, tuple[Callable[[Path], None], type[FtjobError], str]] = {
    "layer type": (_edited('"InnerProduct"', '"InnerProd"'), BadNetError, "type InnerProd, which"),
    "bottom": (_edited('bottom: "data"', 'bottom: "dat"'), BadNetError, "layer fc .* blob dat, which"),
    "field": (_edited("num_output: 3", "outputs: 3"), BadNetError, r"train_val.prototxt:\d+:\d+: .*outputs"),
    "syntax": (_edited("layer {", "layer {{"), BadNetError, r"train_val.prototxt:2:\d+: Expected identifier"),
    "no LMDB": (
        _edited('source: "val"', 'source: "vel"'),
        BadDataError,
        r"LMDB vel of the TEST net .*\(No such",
    ),
    "empty": (_no_records, BadDataError, "LMDB train of the TRAIN net is empty"),
    "garbage": (_val(b"x" * 9000), BadDataError, "LMDB val of the TEST net .* not an LMDB file"),
    "crop": (_edited("scale:", "crop_size: 60 scale:"), BadDataError, "6 pixels high .* data.crop 60"),
    "mean": (_edited("scale:", 'mean_file: "m.bin" scale:'), BadDataError, "no file m.bin, which layer data"),
    "phases": (_other_val, BadDataError, "train and val differ in size, so layer fc"),
    "sizes": (_two_sizes, BadDataError, "differ in height, 9 after 6"),
}


def use(folder: Path) -> None:
    with open_engine(folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder) as engine:
        engine.step(3)
        engine.test(7, ["prob"])


@pytest.mark.caffe
@pytest.mark.parametrize("cause", CAUSES)
def test_caffe_prints_what_the_table_expects(job: Job, cause: str):
    """The wordings are those of the Caffe that is installed."""
    spoil, kind, sentence = CAUSES[cause]
    spoil(folder := job(nets.softmax_regression()))

    with pytest.raises(kind, match=sentence):
        use(folder)


@pytest.mark.caffe
def test_weights_that_do_not_fit_name_the_layer(job: Job, tmp_path: Path):
    """Same layer name, another shape: what to do about it is to have the layer renamed."""
    folder = job(nets.softmax_regression())
    with open_engine(folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder) as engine:
        weights = engine.snapshot(tmp_path).caffemodel
    _edited("num_output: 3", "num_output: 5")(folder)

    with pytest.raises(BadNetError, match=r"layer fc has shape 3 36 in the weights and 5 36 .*surgery.heads"):
        open_engine(folder / "solver.prototxt", weights=weights, log=folder / "log", cwd=folder)


@pytest.mark.caffe
def test_a_solver_that_does_not_parse_has_line_and_column(job: Job):
    """Read before Caffe is asked."""
    folder = job(nets.softmax_regression())
    (folder / "solver.prototxt").write_text("base_lr: 0.1\nmomentom: 0.9\n")

    with pytest.raises(BadNetError, match=r"solver.prototxt:2:\d+: .*momentom"):
        open_engine(folder / "solver.prototxt", weights=None, log=folder / "log", cwd=folder)
