"""Laws of runs on a cluster as the command line sees them, without one: what is sent, what is shown."""

import json
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from urllib3.exceptions import MaxRetryError, ReadTimeoutError

from ftjob import api
from ftjob.client import cluster_run as clusterrun
from ftjob.client import registry as runs
from ftjob.client.cluster_run import ClusterRun, out_of_money, refuse_local, status_of
from ftjob.client.sweeping import cluster_sweep
from ftjob.cluster import client
from ftjob.cluster.client import Cluster
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.cluster.resource.status import STATES
from ftjob.errors import BadSpecError, ExitCode, NotEndedError
from ftjob.prepare.sweep_plan import SweepPlan
from ftjob.runfolder.address import RunAddress
from ftjob.runfolder.status import State
from jobspec import JobSpec
from jobspec.sweeps.members import sweep_id
from tests.hostile_runs import finished

REMOTE: dict[str, Any] = {
    "name": "emotions",
    "base": {"net": "lenet"},
    "data": {"train": "s3://data/train", "val": "s3://data/val"},
    "output": "s3://runs",
}


SPENT = {
    "state": "Failed",
    "seconds": 3600.0,
    "usd": 0.9,
    "attempts": [{"attempt": 1, "pod": "a", "usdPerHour": 0.9}],
}


def item(**status: Any) -> dict[str, Any]:
    """A FineTuneJob as the server has it."""
    metadata = {"name": "emotions", "namespace": "faces", "generation": 2}
    return {"metadata": metadata, "spec": REMOTE, "status": status}


def job(**status: Any) -> FineTune:
    """A FineTuneJob."""
    return read_fine_tune(item(**status))


@pytest.mark.parametrize("state", STATES)
def test_every_state_of_a_cluster_is_one_of_a_run(state: State):
    """The verbs that wait end when, and only when, the controller says that nothing will change."""
    status = status_of(job(state=state.value))

    assert status.state == state.value
    assert status.state.ended == state.ended


def test_the_exit_code_is_that_of_the_last_attempt():
    """`ftjob wait` in a pipeline exits as the worker did."""
    attempts = [
        {"attempt": 1, "pod": "a", "exitCode": 10},
        {"attempt": 2, "pod": "b", "exitCode": 9},
    ]

    assert status_of(job(state="Stopped", attempts=attempts)).exit_code == 9
    assert status_of(job(state="Retrying", attempts=attempts)).exit_code is None
    assert status_of(job(state="Stopped")).state is State.STOPPED


@pytest.mark.parametrize("code", [None, 10, 137])
def test_a_run_that_nothing_pays_for_any_more_exits_as_any_that_reached_its_budget(code: int | None):
    """However its last worker ended: the budget is why none follows."""
    attempts = [{"attempt": 1, "pod": "a", "reason": "DeadlineExceeded", "exitCode": code}]

    assert status_of(job(state="Stopped", reason="BudgetReached", attempts=attempts)).exit_code == 9
    assert status_of(job(state="Failed", reason="NoProgress", attempts=attempts)).exit_code == code


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("Completed", 0),
        ("BadSpec", 2),
        ("GpuMemory", 6),
        ("BudgetReached", 9),
        ("Cancelled", 10),
        ("New", 10),
    ],
)
def test_without_an_attempt_the_exit_code_is_that_of_the_reason(reason: str, code: int):
    """Of a sweep, whose attempts are its members', and of a run that could not be planned."""
    assert status_of(job(state="Stopped", reason=reason)).exit_code == code
    assert status_of(job(state="Pending", reason=reason)).exit_code is None


def test_what_it_will_have_cost_is_at_the_price_of_the_last_pod():
    """Spent, and the time that is left; no estimate where no time is known, or nothing runs."""
    attempts = [
        {"attempt": 1, "pod": "a", "usdPerHour": 0.27},
        {"attempt": 2, "pod": "b", "usdPerHour": 0.9},
    ]
    running = {"state": "Running", "usd": 0.5, "attempts": attempts}

    assert status_of(job(**running, etaSeconds=1200.0)).usd_estimate == pytest.approx(0.8)
    assert [each.usd_per_hour for each in status_of(job(**running)).attempts] == [0.27, 0.9]
    assert status_of(job(**running)).usd_estimate is None
    assert status_of(job(state="Pending", etaSeconds=1200.0)).usd_estimate is None


@pytest.mark.parametrize("follow", [False, True])
def test_who_may_not_read_pods_reads_the_log_in_the_folder(follow: bool, tmp_path: Path, cache: Path):
    """As the account of `ftjob ui` on a cluster; without a folder the cluster's refusal is the sentence."""
    from kubernetes.client import ApiException

    def refuse(*_: Any, **__: Any) -> Any:
        raise ApiException(status=403, reason="Forbidden")

    def run(**status: Any) -> ClusterRun:
        custom = SimpleNamespace(get_namespaced_custom_object=lambda *_, **__: item(**status))
        return ClusterRun(Cluster("faces", SimpleNamespace(list_namespaced_pod=refuse), custom), "emotions")

    folder = str(finished(tmp_path).root)

    lines = run(state="Running", folder=folder).log_lines(follow=follow)
    assert "".join(lines) == "ftjob: attempt 1 begins\nftjob: attempt 2 begins\n"
    with pytest.raises(BadSpecError, match="the cluster refuses: Forbidden"):
        next(run(state="Running").log_lines(follow=follow))


@pytest.mark.parametrize(
    ("budget", "sentence"),
    [
        ({}, ""),
        ({"usd": 1.0}, ""),
        ({"usd": 0.9}, "raise budget.usd to continue"),
        ({"usd": 9.0, "hours": 1.0}, "raise budget.hours to continue"),
    ],
)
def test_a_retry_that_nothing_pays_for_is_refused(budget: dict[str, float], sentence: str):
    """In a sentence, before the cluster is asked; $0.90 and an hour are spent."""
    found = out_of_money(replace(job(**SPENT, minAttemptSeconds=30.0), spec={**REMOTE, "budget": budget}))

    assert found.endswith(sentence)
    assert bool(found) is bool(sentence)


@pytest.mark.parametrize(
    ("least", "usd", "refused"),
    [(120.0, 0.91, True), (5.0, 0.905, False), (30.0, 0.905, True), (None, 0.9, False)],
)
def test_a_retry_is_refused_by_the_clusters_own_setting(least: float | None, usd: float, refused: bool):
    """40 s, or 20 s, are left. A controller that does not write its setting down decides for itself."""
    setting = {} if least is None else {"minAttemptSeconds": least}
    found = out_of_money(replace(job(**SPENT, **setting), spec={**REMOTE, "budget": {"usd": usd}}))

    assert bool(found) is refused


@pytest.mark.parametrize(
    ("section", "change", "message"),
    [
        ("base", {"net": "/here/net.prototxt"}, "base.net: /here/net.prototxt is on this machine only"),
        ("base", {"weights": "/w.caffemodel"}, "base.weights: /w.caffemodel is on this machine only"),
        ("data", {"train": "/faces"}, "data.train: /faces is on this machine only: `ftjob data build`"),
        ("data", {"mean": "/mean.binaryproto"}, "data.mean: /mean.binaryproto is on this machine only"),
    ],
)
def test_what_a_cluster_cannot_reach_is_named(section: str, change: dict[str, str], message: str):
    """Before anything is created, with what to do."""
    spec = JobSpec.model_validate({**REMOTE, section: {**REMOTE[section], **change}})

    with pytest.raises(BadSpecError, match=re.escape(message)):
        refuse_local(spec)
    refuse_local(JobSpec.model_validate(REMOTE))


def test_a_range_test_that_diverged_is_joined_and_not_retried() -> None:
    """It has shown what it was for; another run that diverged resumes."""
    there = item(state="Failed", reason="Diverged", runId="1f3b9c02aa")
    rising = JobSpec.model_validate({**REMOTE, "solver": {"lr_policy": "exp", "gamma": 1.15}})
    asked: list[Any] = []

    def listed(*_: Any, **__: Any) -> Any:
        return {"items": [there]}

    def refuse(plan: Any) -> None:
        asked.append(plan)
        raise BadSpecError("no")

    cluster = Cluster("faces", None, SimpleNamespace(list_namespaced_custom_object=listed))
    plan: Any = SimpleNamespace(spec=rising, submitted=rising, run_id="1f3b9c02aa")
    assert not clusterrun.submit(rising, plan, cluster, refuse)[1]
    assert asked == []
    plan.spec = JobSpec.model_validate(REMOTE)
    with pytest.raises(BadSpecError, match="no"):
        clusterrun.submit(plan.spec, plan, cluster, refuse)


@pytest.mark.parametrize(("rates", "attaches"), [([0.1, 0.01], True), ([0.1, 0.2], False)])
def test_of_two_submits_of_a_sweep_at_once_the_later_attaches(rates: list[float], attaches: bool) -> None:
    """Its name is taken between the look and the creation: by the same sweep, whose id is known at once, or
    by another one."""
    values = {**REMOTE, "sweep": {"solver.base_lr": [0.1, 0.01]}}
    spec = JobSpec.model_validate(values)
    theirs = {**values, "sweep": {"solver.base_lr": rates}}
    there = read_fine_tune({"metadata": {"name": "emotions", "namespace": "faces"}, "spec": theirs})

    def taken(_: Any) -> FineTune:
        raise client.NameTakenError("it exists")

    cluster: Any = SimpleNamespace(namespace="faces", list=list, create=taken, get=lambda _: there)
    plan = SweepPlan(spec, spec, sweep_id(spec), ())
    if not attaches:
        with pytest.raises(BadSpecError, match="emotions is another spec's"):
            cluster_sweep.submit(plan, cluster, lambda _: None)
        return
    run, started = cluster_sweep.submit(plan, cluster, lambda _: None)
    assert (run.run_id, started) == (sweep_id(spec), False)


def test_what_was_submitted_to_a_cluster_is_found_by_its_name():
    """Also where the context has slashes, as those of EKS do; and not as a folder on this disk."""
    context = "arn:aws:eks:us-east-1:1234:cluster/training"
    note = str(RunAddress.on_cluster(context, "faces", "emotions", "1f3b9c02aa"))

    runs.remember(note)

    assert runs.find_run("emotions") == note
    assert note == f"ftj://{context}/faces/emotions/1f3b9c02aa"


class Changes:
    """The server's answer to a watch: objects one after another, and then silence or a broken connection."""

    def __init__(self, objects: list[dict[str, Any]], seconds: float) -> None:
        self._objects, self._seconds = objects, seconds

    def stream(self, **_: Any) -> Iterator[bytes]:
        for each in self._objects:
            yield json.dumps({"type": "MODIFIED", "object": each}).encode() + b"\n"
        time.sleep(self._seconds)
        raise ReadTimeoutError(None, "", "silence")

    def close(self) -> None:
        """Nothing is open."""

    release_conn = close


class Server:
    """An API server with one FineTuneJob: what it answers when asked, and what changes while one watches."""

    def __init__(self, *answers: Any, changes: tuple[dict[str, Any], ...] = ()) -> None:
        self._answers, self._changes = list(answers), list(changes)
        self.asked = 0

    def get_namespaced_custom_object(self, *_: Any, **__: Any) -> Any:
        self.asked += 1
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    def list_namespaced_custom_object(self, *_: Any, **options: Any) -> Changes:
        """Give all changes to the first who watches."""
        seconds = min(options["_request_timeout"][1], options["timeout_seconds"])
        objects, self._changes = self._changes, []
        return Changes(objects, 0.0 if objects else seconds)


def run_on(*answers: Any, wanted: str = "", changes: tuple[dict[str, Any], ...] = ()) -> ClusterRun:
    """A handle of the FineTuneJob that a server has."""
    return ClusterRun(Cluster("faces", None, Server(*answers, changes=changes)), "emotions", wanted)


RUNNING = {"state": "Running", "runId": "2f00", "observedGeneration": 2}
DONE = {"state": "Succeeded", "runId": "2f00", "observedGeneration": 2}
AWAY = MaxRetryError(None, "", None)  # type: ignore[arg-type]


@pytest.mark.parametrize("timeout", [0.0, 0.3])
def test_who_waits_no_longer_learns_where_the_run_stands(timeout: float):
    """Also where the server is silent, or away by then."""
    for run in (run_on(item(**RUNNING)), run_on(item(**RUNNING), AWAY)):
        begin = time.monotonic()
        with pytest.raises(
            NotEndedError, match=r"emotions: is still Running after 0(\.3)? s: wait again"
        ) as ended:
            run.wait(timeout)
        assert ended.value.exit_code is ExitCode.PREEMPTED
        assert timeout <= time.monotonic() - begin < timeout + 20


def test_who_waits_is_woken_by_the_change():
    """And asks the server for the object only once, with or without a limit."""
    for timeout in (None, 600.0):
        run = run_on(item(**RUNNING), changes=(item(**RUNNING), item(**DONE)))
        assert run.wait(timeout).state is State.SUCCEEDED
        assert run.cluster.custom.asked == 1


def test_who_waits_outlasts_a_server_that_is_away():
    run = run_on(item(**RUNNING), AWAY, AWAY, item(**DONE), changes=(item(**RUNNING),))

    assert [status.state for status in run.follow()] == [State.RUNNING, State.SUCCEEDED]


def test_an_end_from_before_an_edit_is_not_the_last():
    """The controller has not seen the object as it is now."""
    stale = {**DONE, "state": "Stopped", "observedGeneration": 1}

    assert run_on(item(**stale), changes=(item(**RUNNING), item(**DONE))).wait().state is State.SUCCEEDED


def test_an_end_from_before_a_retry_is_not_the_last() -> None:
    """Annotations do not change an object's generation, so its status names the retry that was seen."""
    stopped = {"state": "Stopped", "runId": "2f00", "observedGeneration": 2, "attempt": 1}
    stale, refused = item(**stopped), item(**{**stopped, "reason": "BudgetReached", "observedRetry": 1})
    for each in (stale, refused):
        each["metadata"]["annotations"] = {"ftjob.dev/retry": "1"}

    assert run_on(stale, changes=(item(**DONE),)).wait().state is State.SUCCEEDED
    assert run_on(stale, changes=(refused,)).wait().reason == "BudgetReached"
    assert run_on(refused).wait(0).state is State.STOPPED


ANOTHER = (
    "emotions/1f3b: the FineTuneJob emotions in namespace faces is now run 2f00: give emotions for that run, "
    "or the URI of your run's folder, OUTPUT/emotions/1f3b"
)


@pytest.mark.parametrize(
    "ask",
    [
        ClusterRun.status,
        ClusterRun.wait,
        ClusterRun.metrics,
        ClusterRun.cancel,
        ClusterRun.retry,
        ClusterRun.bill,
        lambda run: list(run.follow()),
        lambda run: list(run.log_lines()),
        lambda run: run.run_id,
        lambda run: run.location,
    ],
)
def test_an_older_run_is_not_taken_for_the_one_that_has_its_name_now(ask: Callable[[ClusterRun], Any]):
    """Whatever is asked of it."""
    with pytest.raises(BadSpecError, match=re.escape(ANOTHER)):
        ask(run_on(item(**DONE), wanted="1f3b"))


@pytest.mark.parametrize("context", [None, "minikube"])
def test_an_id_is_looked_for_on_the_cluster_too(context: str | None, monkeypatch: pytest.MonkeyPatch):
    """With a context, and by the note of a run that was submitted from here; NAME is the run of now."""
    monkeypatch.setattr(client, "connect", lambda *_: Cluster("faces", None, Server(item(**RUNNING))))
    monkeypatch.setattr(clusterrun, "connect", client.connect)
    for run_id in ("1f3b", "2f00"):
        runs.remember(str(RunAddress.on_cluster("minikube", "faces", "emotions", run_id)))

    assert api.find("emotions", context).status().run_id == "2f00"
    assert api.find("emotions/2f", context).run_id == "2f00"
    with pytest.raises(BadSpecError, match=re.escape(ANOTHER)):
        api.find("emotions/1f3b", context).status()
    if not context:
        listed = [run.status_or_unreachable() for run in api.list_runs()]
        assert [(each.run_id, each.state) for each in listed] == [
            ("1f3b", State.UNREACHABLE),
            ("2f00", State.RUNNING),
        ]
