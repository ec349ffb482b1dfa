"""Every kind of store that can be tested here."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ftjob.storage import Store, open_store
from tests.storage.servers import SERVERS
from tests.storage.webserver import DATA, PATH, Site, file, serve


@pytest.fixture(params=["directory", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store below a folder: a directory, Swift's and Ceph's."""
    if request.param == "directory":
        return open_store(str(tmp_path / "store"))
    return open_store(request.getfixturevalue(request.param).uri + "/runs")


@pytest.fixture
def site(cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web server with a file, which counts as away after a second and a half; no proxy is between."""
    monkeypatch.setenv("FTJOB_STORAGE_DEADLINE", "1.5")
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serve() as found:
        found.answers[PATH] = file(DATA)
        yield found


@pytest.fixture
def parts(cache: Path) -> Callable[[], list[Path]]:
    """Return what of files is in the cache and not whole."""
    return lambda: list((cache / "objects").glob("parts/*/bytes"))
