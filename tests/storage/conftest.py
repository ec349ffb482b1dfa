"""Every kind of store that can be tested here."""

from pathlib import Path

import pytest

from ftjob.storage import Store, open_store
from tests.storage.servers import SERVERS


@pytest.fixture(params=["directory", *SERVERS])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty store below a folder: a directory, Swift's and Ceph's."""
    if request.param == "directory":
        return open_store(str(tmp_path / "store"))
    return open_store(request.getfixturevalue(request.param).uri + "/runs")
