"""Laws of `ftjob data` on the command line."""

import json
from pathlib import Path

import cv2
import pytest

from tests.dataset.images import dataset, encoded, photo
from tests.e2e.jobs import Job


@pytest.mark.caffe
def test_what_is_built_is_checked_and_trained_on(job: Job):
    """build, check, and a spec that names OUT: the three steps of somebody who brings images."""
    built = job.ftjob("data", "build", "train", "set", "--grey", "--size", "32", "-o", "json").json()
    checked = job.ftjob("data", "check", "set", "--num-output", "3", "--crop", "28", "-o", "json").json()
    job.write(data={"train": "set", "val": "set/val"})

    assert built["labels"] == ["0", "1", "2"]
    assert checked["ok"]
    assert job.submit().json()["state"] == "Succeeded"


def test_an_error_of_check_is_exit_code_4(job: Job):
    """Labels beyond num_output, reported before a GPU is paid for."""
    job.ftjob("data", "build", "train", "set", "--size", "32x24")

    assert "set it to 3" in job.ftjob("data", "check", "set", "--num-output", "2", code=4).out


def test_a_spec_is_checked_as_it_will_be_used(job: Job):
    """`data check SPEC` looks at the data of the spec, with the spec's own crop."""
    report = job.ftjob("data", "check", "spec.yaml", "-o", "json").json()

    assert (report["train"]["records"], report["val"]["records"]) == (60, 30)
    assert report["train"]["channels"] == 1


def test_a_contact_sheet_of_every_class(job: Job, tmp_path: Path):
    """--sheet draws what each label looks like."""
    job.ftjob("data", "check", "spec.yaml", "--no-duplicates", "--sheet", str(tmp_path / "sheets"))

    names = sorted(path.name for path in (tmp_path / "sheets").rglob("*.png"))
    assert len(names) == 6


@pytest.mark.parametrize("size", ["0", "32x", "axb", "1x2x3"])
def test_a_size_that_is_none_is_refused(job: Job, size: str):
    """Before anything is read."""
    assert size in job.ftjob("data", "build", "train", "set", "--size", size, code=2).err
    assert not (job.folder / "set").exists()


def test_the_report_of_a_build_is_json(job: Job):
    """What a program reads is what manifest.json holds."""
    built = job.ftjob("data", "build", "train", "set", "--size", "32", "-o", "json").json()

    assert json.loads((job.folder / "set" / "manifest.json").read_text())["splits"] == built["splits"]


@pytest.mark.parametrize(
    ("engine", "channels"),
    [pytest.param("caffe", 1, marks=pytest.mark.caffe), pytest.param("torch", 3, marks=pytest.mark.torch)],
)
def test_images_of_several_sizes_are_trained_on(job: Job, engine: str, channels: int):
    """With a crop that fits into all of them, to a bundle whose golden images are of several sizes, too."""
    for split, first in (("train", 0), ("val", 30)):
        images = [photo(at, 28 + at % 5, 28 + at % 3)[:, :, :channels] for at in range(first, first + 30)]
        dataset(job.folder / f"{split}_lmdb", [encoded(at % 3, image) for at, image in enumerate(images)])
    data = {"train": "train_lmdb", "val": "val_lmdb"}
    job.write(data=data, engine=engine, guards={"not_learning": False})

    job.submit()

    sizes = {cv2.imread(str(path)).shape for path in job.run().bundle.glob("golden/*.png")}
    assert len(sizes) == 3
    assert job.ftjob("verify", str(job.run().bundle), "-o", "json").json()["ok"]
