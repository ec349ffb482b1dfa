"""The pages of a namespace's runs, whose folders are in stores."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ftjob.client import cluster_run
from ftjob.cluster import client
from ftjob.cluster.client import Cluster
from ftjob.runfolder.layout import RunFolder
from ftjob.ui.settings import UiSettings
from tests.hostile_runs import finished
from tests.ui.markup import page_of
from tests.ui.served import HOSTS, TOKEN, Pages, served


class Namespace:
    """An API server with two FineTuneJobs: one that computes, one that is new."""

    def __init__(self, folder: RunFolder) -> None:
        self.asked: list[str] = []
        running = {
            "state": "Running",
            "runId": folder.root.name,
            "observedGeneration": 2,
            "folder": str(folder.root),
            "iteration": 20,
            "maxIter": 4000,
            "usd": 0.5,
            "etaSeconds": 600.0,
            "attempts": [{"attempt": 1, "pod": "a", "usdPerHour": 0.9, "node": "p2.xlarge"}],
        }
        self._items = {"emotions": self._item("emotions", running), "faces": self._item("faces", {})}

    def _item(self, name: str, status: dict[str, Any]) -> dict[str, Any]:
        spec = {
            "base": {"net": "lenet"},
            "data": {"train": "s3://data/train", "val": "s3://data/val"},
            "output": "s3://runs",
        }
        return {
            "metadata": {"name": name, "namespace": "faces", "generation": 2},
            "spec": spec,
            "status": status,
        }

    def get_namespaced_custom_object(self, *words: Any, **_: Any) -> Any:
        """Return one."""
        name = words[-1]
        self.asked.append(name)
        return self._items[name]

    def list_namespaced_custom_object(self, *_: Any, **__: Any) -> Any:
        """Return all."""
        self.asked.append("*")
        return {"items": list(self._items.values())}


@pytest.fixture
def namespace(tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Namespace:
    """A server that every connection leads to."""
    made = Namespace(finished(tmp_path))
    monkeypatch.setattr(client, "connect", lambda *_: Cluster("faces", None, made))  # type: ignore[arg-type]
    monkeypatch.setattr(cluster_run, "connect", client.connect)
    return made


@pytest.fixture
def theirs(namespace: Namespace) -> Iterator[Pages]:
    """The pages of the namespace."""
    with served(UiSettings(TOKEN, HOSTS, namespace="faces", refresh_seconds=0.0)) as pages:
        yield pages


def test_all_runs_of_a_namespace_are_one_request(theirs: Pages, namespace: Namespace) -> None:
    """Though each has its row; what was submitted on this machine is not among them."""
    text = theirs.text("/?sort=name")
    rows = page_of(text).rows("runs")[1:]

    assert [row[1] for row in rows] == ["emotions/1f3b9c02aa", "faces"]
    assert rows[0][3:7] == ["Running", "20/4000", "–", "$0.50 of $0.65"]
    assert namespace.asked.count("*") == 1
    assert set(namespace.asked) <= {"*", "emotions"}, "its curve is in its folder"


def test_a_run_has_the_clusters_account_and_its_folders_curves(theirs: Pages) -> None:
    """Live, by the id and by the name alone."""
    for path in ("/runs/emotions/1f3b9c02aa", "/runs/emotions"):
        shown = page_of(theirs.text(path))
        assert "20/4,000 0% ETA 10:00" in shown.by_id("now").text
        assert "$0.50 spent, $0.15 to come, budget $4.00" in shown.by_id("now").text
        assert shown.by_id("now").attributes["data-live"] == "/runs/emotions/1f3b9c02aa/events"


def test_a_run_that_nobody_planned_yet_is_a_page(theirs: Pages) -> None:
    """It has no id and no folder."""
    shown = page_of(theirs.text("/runs/faces"))

    assert "Pending" in shown.by_id("now").text
    assert "No iteration has been reported yet" in shown.by_id("main").text
    assert shown.by_id("now").attributes["data-live"] == "/runs/faces/-/events"
    with theirs.stream("/runs/faces/-/events") as events:
        assert "Pending" in next(events)["parts"]["now"]


def test_an_older_run_of_a_name_is_a_sentence(theirs: Pages) -> None:
    """Not the page of the one that has the name now."""
    answer = theirs.get("/runs/emotions/2f00")

    assert answer.status in (404, 422)
    assert "is now run 1f3b9c02aa" in answer.data.decode()
