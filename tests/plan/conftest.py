"""What tests of plans share."""

import pytest

from ftjob.runfolder.status import ENV_SECONDS_BEFORE


@pytest.fixture
def in_a_pod(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker measures is of the node that its spec names."""
    monkeypatch.setenv(ENV_SECONDS_BEFORE, "0")
