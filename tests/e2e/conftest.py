"""A small job that trains in a second or two with real Caffe: digits, three heads, no dropout."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob.net.prototxt import to_text
from tests.e2e.jobs import Job
from tests.forked.client import quick
from tests.tiers import needs_of


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every call of the command line takes a second of a processor."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of images of three classes, and a net without dropout, which would make resuming differ."""
    folder = tmp_path_factory.mktemp("digits")
    write_digits(folder / "train", range(3), slice(20))
    write_digits(folder / "val", range(3), slice(20, 30))
    net = build()
    kept = [layer for layer in net.layer if layer.type != "Dropout"]
    del net.layer[:]
    net.layer.extend(kept)
    (folder / "net.prototxt").write_text(to_text(net), encoding="utf-8")
    return folder


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """ftjob and PyTorch's process by fork; test_submit.py starts ftjob as users do, and a GPU has its own."""
    if request.node.get_closest_marker("gpu") or request.path.name == "test_submit.py":
        yield
        return
    with quick("ftjob", *(["torch"] if "torch" in needs_of(request.node) else [])):
        yield


@pytest.fixture
def new_job(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Job]:
    """Make a job in a folder of its own."""
    for library in ("OPENBLAS", "OMP"):  # sums in one order: equal runs are equal to the bit
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")

    def make(name: str) -> Job:
        folder = tmp_path / name
        folder.mkdir()
        for part in ("train", "val", "net.prototxt"):
            (folder / part).symlink_to(digits / part)
        job = Job(folder)
        job.write()
        return job

    return make


@pytest.fixture
def job(new_job: Callable[[str], Job]) -> Job:
    """One job."""
    return new_job("job")
