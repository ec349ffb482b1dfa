"""What tests of the pages share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ftjob.runfolder.layout import RunFolder
from ftjob.ui.settings import UiSettings
from tests.hostile_runs import finished
from tests.ui.served import HOSTS, TOKEN, Pages, served


@pytest.fixture(scope="session")
def server() -> Iterator[Pages]:
    """A server for all tests of a process: what it shows is what the cache of the moment has."""
    with served(UiSettings(TOKEN, HOSTS, refresh_seconds=0.0)) as pages:
        yield pages


@pytest.fixture
def pages(server: Pages, cache: Path) -> Pages:
    """The pages of a machine on which nothing was submitted yet."""
    return server


@pytest.fixture
def emotions(tmp_path: Path, cache: Path) -> RunFolder:
    """A finished run."""
    return finished(tmp_path)
