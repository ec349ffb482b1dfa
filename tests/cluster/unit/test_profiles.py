"""The controller's node profiles follow their file."""

from pathlib import Path

import pytest

from ftjob.cluster.controller.cache.profiles import Profiles
from ftjob.cluster.controller.serving.logs import JsonLines


@pytest.fixture
def nodes_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A mounted ConfigMap: its file is a link to one that is replaced."""
    monkeypatch.setenv("FTJOB_NODES", str(tmp_path / "nodes.yaml"))
    replace(tmp_path / "nodes.yaml", "p2.xlarge: {price: {on_demand: 0.8}}")
    return tmp_path / "nodes.yaml"


def replace(path: Path, text: str) -> None:
    fresh = path.with_name(f"{len(list(path.parent.iterdir()))}.yaml")
    fresh.write_text(text)
    fresh.with_suffix(".link").symlink_to(fresh)
    fresh.with_suffix(".link").replace(path)


def test_a_price_that_changes_is_known_at_once(nodes_file: Path) -> None:
    """Without a restart of the controller."""
    profiles = Profiles()
    replace(nodes_file, "p2.xlarge: {price: {on_demand: 0.5}}")

    assert profiles.current()["p2.xlarge"].price.on_demand == 0.5


def test_a_file_that_went_wrong_leaves_what_was(nodes_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Running jobs do not suffer for a typo; it is logged once."""
    profiles = Profiles()
    replace(nodes_file, "p2.xlarge: {price: {on_demand: free}}")
    prices = [profiles.current()["p2.xlarge"].price.on_demand for _ in range(3)]

    assert prices == [0.8, 0.8, 0.8]
    (record,) = caplog.records
    assert "p2.xlarge.price.on_demand" in JsonLines().format(record)
