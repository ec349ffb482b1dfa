"""A small job that trains in a second or two with real Caffe: digits, three heads, no dropout."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob.net.prototxt import to_text
from tests.conftest import MACHINE_CACHE
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


@pytest.fixture
def as_users_do() -> None:
    """For tests that start ftjob and its workers as users do."""


@pytest.fixture(autouse=True)
def forked(request: pytest.FixtureRequest) -> Iterator[None]:
    """ftjob and PyTorch's process by fork, unless the test is `as_users_do`; a GPU has its own."""
    if request.node.get_closest_marker("gpu") or "as_users_do" in request.fixturenames:
        yield
        return
    with quick("ftjob", *(["torch"] if "torch" in needs_of(request.node) else [])):
        yield


@pytest.fixture
def new_job(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Job]:
    """Make a job in a folder of its own."""
    in_one_order(monkeypatch)
    return lambda name: make_job(tmp_path / name, digits)


@pytest.fixture
def job(new_job: Callable[[str], Job]) -> Job:
    """One job."""
    return new_job("job")


@pytest.fixture(scope="module")
def finished(needs_caffe: None, digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Job:
    """A job that ran to its end, started as users do; nothing is to change it."""
    folder = tmp_path_factory.mktemp("finished")
    cache = folder / "cache"
    cache.mkdir()
    (cache / "engines").symlink_to(MACHINE_CACHE / "engines")
    job = make_job(folder / "job", digits)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FTJOB_CACHE", str(cache))
        in_one_order(patch)
        job.submit()
    return job


def make_job(folder: Path, digits: Path) -> Job:
    """Make a job of the digits in a folder that is not there yet."""
    folder.mkdir()
    for part in ("train", "val", "net.prototxt"):
        (folder / part).symlink_to(digits / part)
    job = Job(folder)
    job.write()
    return job


def in_one_order(patch: pytest.MonkeyPatch) -> None:
    """Have sums made in one order: equal runs are equal to the bit."""
    for library in ("OPENBLAS", "OMP"):
        patch.setenv(f"{library}_NUM_THREADS", "1")
