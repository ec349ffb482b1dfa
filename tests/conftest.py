"""What every test has: a cache of its own, with the machine's real Caffe in it."""

from pathlib import Path

import pytest

from ftjob.paths import cache_dir

MACHINE_CACHE = cache_dir()


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache but for the installed engines, so that no test reads or leaves anything at home."""
    own = tmp_path_factory.mktemp("cache")
    engines = MACHINE_CACHE / "engines"
    if engines.is_dir():
        (own / "engines").symlink_to(engines)
    monkeypatch.setenv("FTJOB_CACHE", str(own))
    return own
