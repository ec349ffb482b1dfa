"""Every kind of place that runs and their aliases can be in here."""

from pathlib import Path

import pytest

from tests.storage.servers import SERVERS


@pytest.fixture(params=["directory", *SERVERS])
def output(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An output for runs: a folder, or one in a bucket of Swift's or Ceph's."""
    if request.param == "directory":
        return str(tmp_path / "runs")
    return f"{request.getfixturevalue(request.param).uri}/runs"
