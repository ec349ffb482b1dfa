"""What every test has: a cache of its own, and a way to what its markers ask for, and to nothing else."""

import gc
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from ftjob.engine import threads
from ftjob.fs.paths import cache_dir
from tests.tiers import NEEDS, Guard, hide_torch, mark_by_fixtures, needs_of

# Engines compute with one thread: several tests run at once, and threads that wait for each other take
# processors from them.
os.environ.update(dict.fromkeys((threads.GENERAL, *threads.COUNTS), "1"))
gc.disable()  # until all tests are there
MACHINE_CACHE = cache_dir()
pytest_plugins = ["tests.engines", "tests.faces", "tests.order", "tests.storage.servers"]

# Hypothesis fails an example that takes more than 200 ms, and a test whose first ones take a second to draw:
# any may on a busy machine.
PATIENT = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ftjob", PATIENT)
settings.register_profile("check", PATIENT, max_examples=10)  # of `make check`
settings.load_profile("ftjob")

GUARD = Guard(MACHINE_CACHE)
sys.addaudithook(GUARD.watch)


@pytest.hookimpl(tryfirst=True)  # before -m chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        mark_by_fixtures(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop() -> None:
    """Keep what is there by now out of the garbage collector's way: 400,000 objects, which stay."""
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)  # of 700 new objects it took a thirtieth of all tests' processor time
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    GUARD.admit(needs_of(item))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown() -> None:
    GUARD.admit(NEEDS)  # what other tests brought may end with this one


@pytest.fixture(scope="session")
def needs_caffe() -> None:
    """For fixtures that bring Caffe."""


@pytest.fixture(scope="session")
def needs_store() -> None:
    """For fixtures that bring an S3 server."""


@pytest.fixture(scope="session")
def needs_browser() -> None:
    """For fixtures that bring a browser."""


@pytest.fixture(scope="session")
def needs_root() -> None:
    """For fixtures that mount something."""


@pytest.fixture(scope="session")
def needs_cluster(needs_root: None) -> None:
    """For fixtures that bring a cluster, or kubectl."""


@pytest.fixture(autouse=True)
def cache(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> Path:
    """An empty cache, but for Caffe where the test is marked so: no test reads or leaves anything at home."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)  # this very job's
    own = tmp_path_factory.mktemp("cache")
    needs, engines = needs_of(request.node), MACHINE_CACHE / "engines"
    if "caffe" not in needs:
        monkeypatch.delenv("FTJOB_ENGINES", raising=False)
    elif engines.is_dir():
        (own / "engines").symlink_to(engines)
    if "torch" not in needs:
        hide_torch(monkeypatch)
    monkeypatch.setenv("FTJOB_CACHE", str(own))
    return own


@pytest.fixture
def small_disk(needs_root: None, tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    assert os.geteuid() == 0, "a disk that fills is a tmpfs, and mounting it needs root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
