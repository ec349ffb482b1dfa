"""Laws of asking runs on a cluster what they have cost, without one: the object as the server has it."""

from pathlib import Path
from typing import Any

import pytest

from ftjob.client.bill import bill
from ftjob.client.cluster_run import ClusterRun
from ftjob.cluster.client import Cluster
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import Attempt, State, Status, render

ATTEMPT = Attempt(1, "p2.xlarge", 0.9, 1000.0, 100.0, 0.025, "Completed", {"train": 90.0, "bundle": 10.0})


class Server:
    """What the API server answers when an object is asked for."""

    def __init__(self, folder: str | None) -> None:
        life = {
            "attempt": 1,
            "pod": "emotions-1",
            "scheduled": "2026-11-22T05:00:00Z",
            "usdPerHour": 0.9,
            "seconds": 120.0,
            "usd": 0.03,
            "reason": "Completed",
        }
        status = {"state": "Succeeded", "runId": "1f3b9c02aa", "attempts": [life], "folder": folder}
        self.object = {"metadata": {"name": "emotions", "namespace": "faces"}, "spec": {}, "status": status}

    def get_namespaced_custom_object(self, *_: Any, **__: Any) -> dict[str, Any]:
        return self.object


def run_in(folder: str | None) -> ClusterRun:
    return ClusterRun(Cluster("faces", None, Server(folder)), "emotions")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """The run's folder, with the status that its worker left."""
    found = RunFolder(tmp_path / "emotions" / "1f3b9c02aa")
    found.root.mkdir(parents=True)
    found.status.write_text(render(Status("emotions", "1f3b9c02aa", State.SUCCEEDED, attempts=(ATTEMPT,))))
    return found


def test_the_cluster_knows_how_much_and_the_folder_on_what(folder: RunFolder) -> None:
    """Seconds and dollars are the pod's, the stages the worker's; the rest of the pod's time is other."""
    found = bill([run_in(str(folder.root))])

    [row] = found.rows
    assert (row.name, row.run_id, row.state) == ("emotions", "1f3b9c02aa", "Succeeded")
    assert row.whole == (120_000, 30_000)
    stages = {stage: amount.milliseconds for stage, amount in row.stages.items() if amount.milliseconds}
    assert stages == {"train": 90_000, "bundle": 10_000, "other": 20_000}
    assert found.unknown == ()


def test_a_folder_that_cannot_be_read_costs_no_money(folder: RunFolder) -> None:
    """What was spent is listed all the same, and why the stages are unknown."""
    folder.status.write_text("{")
    found = bill([run_in(str(folder.root))])

    assert found.total.whole == found.total.stages["other"] == (120_000, 30_000)
    assert found.unknown[0].startswith("emotions: how its time was spent is unknown: ")


def test_a_run_without_a_folder_is_no_trouble() -> None:
    """Its pod was paid for, and nobody can say more yet."""
    found = bill([run_in(None)], by_attempt=True)

    assert found.total.stages["other"].microdollars == 30_000
    assert found.unknown == ()


def test_the_report_of_a_run_on_a_cluster_shows_its_pods_dollars(folder: RunFolder) -> None:
    """As ftjob cost does; all else is from the folder, and without one nothing else is shown."""
    for where in (str(folder.root), None):
        report = run_in(where).report()
        assert report.to_json()["cost"] == bill([run_in(where)], by_attempt=True).to_json()
        assert '<data id="usd" value="0.030000">' in report.html()
        assert "on demand" in report.html()


def test_since_leaves_out_what_began_before(folder: RunFolder) -> None:
    """By the pod's scheduling."""
    five = 1795323600.0

    assert len(bill([run_in(str(folder.root))], five).rows) == 1
    assert bill([run_in(str(folder.root))], five + 1).rows == ()
