"""Laws of bad input: one sentence, the documented exit code, nothing half-done."""

import re
import subprocess
from pathlib import Path
from typing import Any

import lmdb
import pytest

from ftjob.net.proto.caffe_pb2 import Datum
from tests.e2e.jobs import Job

NET = "net.prototxt"


def refused(job: Job, code: int, sentence: str) -> str:
    """Submit; it must be refused with that code and one sentence, and no run be left."""
    done = job.ftjob("submit", "spec.yaml", "--local", "--wait", code=code)
    assert re.search(sentence, done.err), done.err
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert not (job.folder / "runs").exists()
    return done.err


def net_with(job: Job, old: str, new: str) -> None:
    """Replace the job's net by one with a mistake in it."""
    text = (job.folder / NET).read_text(encoding="utf-8")
    assert old in text
    (job.folder / NET).unlink()
    (job.folder / NET).write_text(text.replace(old, new, 1), encoding="utf-8")


SPECS: list[tuple[dict[str, Any], int, str]] = [
    ({"solver": {"base_Ir": 1}}, 2, r"spec.yaml:\d+.*solver.base_Ir.*did you mean base_lr"),
    ({"solver": {"base_lr": "fast"}}, 2, r"spec.yaml:\d+.*solver.base_lr.*fast"),
    ({"data": {"crop": 40}}, 2, r"data.crop: must be 32 or less"),
    ({"data": {"mean": [1.0, 2.0]}}, 2, r"data.mean: 2 values, but the images of .* have 1 channels"),
    ({"data": {"train": "ftp://bucket/train"}}, 2, r"data.train: there is no store ftp://"),
    ({"data": {"train": "s3://evil#x/train"}}, 2, r"data.train: 'evil#x' is not a bucket name"),
    ({"data": {"train": "nowhere"}}, 4, r"nowhere"),
    ({"data": {"mean": "mean.binaryproto"}}, 4, r"data.mean: .*mean.binaryproto cannot be read"),
    ({"base": {"net": "nowhere.prototxt"}}, 3, r"base.net: .*nowhere.prototxt is not there"),
    ({"base": {"weights": "nowhere.caffemodel"}}, 3, r"base.weights: .*nowhere.caffemodel is not there"),
    ({"base": {"weights": "run:nobody"}}, 2, r"nobody: no such run"),
    ({"surgery": {"heads": ["loss4/classifier"]}}, 3, r"loss4/classifier.*loss[123]/classifier"),
    ({"surgery": {"freeze": {"up_to": "inception_z"}}}, 3, r"inception_z"),
    ({"surgery": {"num_output": 2}}, 4, r"labels go up to 2, but num_output is 2: set it to 3"),
    ({"resources": {"node": "p2.xlarg"}}, 2, r"p2.xlarg.*p2.xlarge"),
]


@pytest.mark.parametrize(("changes", "code", "sentence"), SPECS, ids=[row[2] for row in SPECS])
def test_a_spec_that_cannot_be_run_is_refused(job: Job, changes: dict[str, Any], code: int, sentence: str):
    """Every mistake in a spec is named before anything is started."""
    job.write(**changes)

    refused(job, code, sentence)


NETS = [
    ('type: "InnerProduct"', "type: InnerProduct", r"net.prototxt:\d+:\d+"),
    ('type: "InnerProduct"', 'type: "InnerProducts"', r"net.prototxt:\d+.*InnerProducts.*InnerProduct"),
    ("num_output", "num_outputs", r"net.prototxt:\d+:\d+.*num_outputs.*num_output"),
    ("layer {", "layer {{", r"net.prototxt:\d+:\d+"),
    (
        'weight_filler {\n      type: "xavier"\n    }',
        "",
        r"base.weights: without weights conv1/3x3 would start as zeros",
    ),
]


@pytest.mark.parametrize(("old", "new", "sentence"), NETS, ids=[row[2] for row in NETS])
def test_a_prototxt_that_cannot_be_read_is_refused(job: Job, old: str, new: str, sentence: str):
    """A net that Caffe would die of is named with its line before anything is started."""
    net_with(job, old, new)

    refused(job, 3, sentence)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", r"weights.caffemodel.*empty"),
        (b"<!DOCTYPE html><html>not found</html>", r"weights.caffemodel.*(HTML|web page)"),
        (b"\x0a\x05Digit\xa2\x06\xff\xff\x7f", r"weights.caffemodel.*(truncated|cut)"),
    ],
)
def test_weights_that_are_none_are_refused(job: Job, content: bytes, sentence: str):
    """An empty file, a web page, a truncated download: each is called what it is."""
    (job.folder / "weights.caffemodel").write_bytes(content)
    job.write(base={"weights": "weights.caffemodel"})

    refused(job, 3, sentence)


@pytest.mark.caffe
def test_weights_cut_short_are_refused(job: Job):
    """A caffemodel that lost its last bytes is called truncated, not loaded in part."""
    job.submit()
    whole = (job.run().bundle / "weights.caffemodel").read_bytes()
    (job.folder / "cut.caffemodel").write_bytes(whole[:-100])
    job.write(name="tuned", base={"weights": "cut.caffemodel"})

    assert re.search("cut.caffemodel.*(truncated|cut)", job.submit(code=3).err)


@pytest.mark.caffe
def test_weights_of_another_net_are_refused(job: Job):
    """Weights that have no layer of the net are not trained from in silence."""
    job.submit()
    job.write(name="tuned", base={"net": "lenet", "weights": "run:digits"})

    assert "they are of another net" in job.submit(code=3).err


def lmdb_of(folder: Path, labels: list[int]) -> None:
    """Write an LMDB of small grey images with these labels."""
    folder.mkdir()
    with lmdb.open(str(folder), map_size=1 << 22) as env, env.begin(write=True) as txn:
        for number, label in enumerate(labels):
            datum = Datum(channels=1, height=32, width=32, data=bytes(1024), label=label)
            txn.put(b"%08d" % number, datum.SerializeToString())


def test_an_empty_lmdb_is_refused(job: Job):
    """An LMDB without records is called empty."""
    lmdb_of(job.folder / "empty", [])
    job.write(data={"train": "empty"})

    refused(job, 4, "empty.*(is empty|no records)")


def test_labels_beyond_num_output_are_refused(job: Job):
    """Caffe on a GPU would read past the scores; here the label and the remedy are named."""
    lmdb_of(job.folder / "seven", [0, 1, 2, 7])
    lmdb_of(job.folder / "two", [0, 1, 2])
    job.write(data={"train": "seven", "val": "two"}, surgery={"num_output": 3})

    refused(job, 4, "seven: labels go up to 7, but num_output is 3")


def test_an_output_folder_that_cannot_be_written_is_refused(job: Job):
    """A file where the output folder should be is named, with what to do."""
    (job.folder / "runs").write_text("in the way")

    assert "cannot be written" in job.ftjob("submit", "spec.yaml", "--local", "--wait", code=5).err


@pytest.mark.caffe
def test_a_disk_that_fills_during_a_snapshot_ends_the_run_and_loses_nothing(job: Job, small_disk: Path):
    """Exit code 5; the snapshots that were complete stay, and with room again the run goes on from them."""
    job.write(solver={"max_iter": 50, "test_interval": 10, "snapshot": 10}, output=str(small_disk))

    full = job.submit(code=5).json()
    [folder] = (small_disk / "digits").iterdir()
    assert re.search(r"snapshot.* MB are free", full["message"])
    assert not list(folder.rglob("*.partial*"))
    assert list((folder / "snapshots").glob("iter_*.json"))

    subprocess.run(["mount", "-o", "remount,size=20m", str(small_disk)], check=True)
    done = job.submit().json()
    assert done["state"] == "Succeeded"
    assert done["resumed"]["iteration"] == full["snapshot"]
