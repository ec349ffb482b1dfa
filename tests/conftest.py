"""What every test has: a cache of its own, with the machine's real Caffe in it."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from ftjob.fs.paths import cache_dir

MACHINE_CACHE = cache_dir()
pytest_plugins = ["tests.storage.servers"]

# Hypothesis fails an example that takes more than 200 ms, as any may on a busy machine.
settings.register_profile("ftjob", deadline=None)
settings.load_profile("ftjob")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache but for the installed engines, so that no test reads or leaves anything at home."""
    own = tmp_path_factory.mktemp("cache")
    engines = MACHINE_CACHE / "engines"
    if engines.is_dir():
        (own / "engines").symlink_to(engines)
    monkeypatch.setenv("FTJOB_CACHE", str(own))
    return own


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of four megabytes."""
    folder = tmp_path / "small"
    folder.mkdir()
    assert os.geteuid() == 0, "a disk that fills is a tmpfs, and mounting it needs root"
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
