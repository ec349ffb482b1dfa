"""A sweep's FineTuneJob and its members: what is made, what is seen, and what is passed on."""

import threading
from dataclasses import replace
from typing import Any

from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.indexed import Cache
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.workqueue.queue import WorkQueue
from ftjob.cluster.policy.actions import RequeueAfter, WriteStatus
from ftjob.cluster.policy.sweeps.decide_parent import (
    ChangeMember,
    CreateMember,
    ObservedSweep,
    SweepAction,
    decide_parent,
)
from ftjob.cluster.resource.member import SweepMember, annotation_of_plans
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.cluster.resource.request import members_of, read_request
from ftjob.runfolder.status import State
from tests.cluster.unit.builders import NODES, NOW, fine_tune

SWEEP: dict[str, Any] = {
    "sweep": {"parallel": 2, "solver.base_lr": [0.1, 0.01, 0.001]},
    "budget": {"usd": 3.0},
}


def decided(job: FineTune, **members: SweepMember) -> list[SweepAction]:
    return decide_parent(ObservedSweep(job, members, nodes=NODES), NOW)


def member(state: State = State.RUNNING, **more: Any) -> SweepMember:
    values: dict[str, Any] = {
        "owner_uid": "u-1", "state": state, "reason": "", "usd": 0.5, "seconds": 60.0, "tested": None,
        "max_iter": 100, "accuracy": None, "cancel": None, "suspended": False,
    }  # fmt: skip
    return SweepMember(**{**values, **more})


def written(actions: list[SweepAction]) -> dict[str, Any]:
    [status] = [action.status for action in actions if isinstance(action, WriteStatus)]
    return status.to_json()


def test_members_are_made_after_the_status_names_them() -> None:
    """Each with its share, owned by the sweep, and a FineTuneJob that can be run."""
    job = fine_tune(annotations={"ftjob.dev/plans": annotation_of_plans({"emotions-x": "{}"})}, **SWEEP)
    actions = decided(job)
    made = [action for action in actions if isinstance(action, CreateMember)]
    status = written(actions)

    assert isinstance(actions[0], WriteStatus)
    assert [each.name for each in made] == [each["name"] for each in status["sweep"]["members"]]
    assert [each.manifest["spec"]["budget"] for each in made] == [{"usd": 1.0}] * 2
    assert made[0].manifest["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    for each in made:
        values = {**each.manifest, "metadata": {**each.manifest["metadata"], "uid": "u-2"}}
        request = read_request(read_fine_tune(values), NODES)
        assert request.spec.sweep is None
        assert request.spec.name == each.name


def test_members_wait_for_a_stage_that_they_share() -> None:
    """The first one trains it; that it did is seen in the stage it is in, whose tests alone count."""
    staged: dict[str, Any] = {
        **SWEEP,
        "sweep": {"parallel": 2, "stages[1].solver.base_lr": [0.1, 0.01, 0.001]},
        "stages": [{"name": "few"}, {"name": "all", "solver": {"max_iter": 9}}],
    }
    begun = written(decided(fine_tune(**staged)))
    [record] = begun["sweep"]["members"]
    item = an_object(record["name"], state="Running")
    seen = []
    for stage in ("few (1 of 2)", "all (2 of 2)"):
        item["status"] |= {"stage": stage, "tested": 5, "accuracy": 0.5}
        seen.append(SweepMember.of(item))
    made = [
        [
            each
            for each in decided(fine_tune(status=begun, **staged), **{record["name"]: as_seen})
            if isinstance(each, CreateMember)
        ]
        for as_seen in seen
    ]

    assert record["grantedMicrodollars"] == 1_500_000
    assert [(each.stages, each.tested, each.accuracy) for each in seen] == [(0, None, None), (1, 5, 0.5)]
    assert seen[1].differs(seen[0])
    assert [len(each) for each in made] == [0, 1]


def test_a_held_or_cancelled_sweep_passes_that_on() -> None:
    """And takes it back, to those alone that it stopped."""
    [first, second, _] = [each.name for each in members_of(fine_tune(**SWEEP))]
    begun = written(decided(fine_tune(**SWEEP)))
    running = {first: member(), second: member(State.SUCCEEDED)}

    held = decided(fine_tune(status=begun, suspend=True, **SWEEP), **running)
    assert [each for each in held if isinstance(each, ChangeMember)] == [
        ChangeMember(first, {"spec": {"suspend": True}})
    ]
    cancelled = decided(fine_tune(status=begun, annotations={"ftjob.dev/cancel": "now"}, **SWEEP), **running)
    assert [each for each in cancelled if isinstance(each, ChangeMember)] == [
        ChangeMember(first, {"metadata": {"annotations": {"ftjob.dev/cancel": "now"}}})
    ]
    assert not [each for each in (*held, *cancelled) if isinstance(each, CreateMember)]
    stopped = {**running, first: member(State.STOPPED, reason="Cancelled", cancel="now")}
    resumed = decided(fine_tune(status=written(cancelled), **SWEEP), **stopped)
    assert [each for each in resumed if isinstance(each, ChangeMember)] == [
        ChangeMember(first, {"metadata": {"annotations": {"ftjob.dev/cancel": None}}})
    ]


def test_a_member_that_somebody_resumes_is_stopped_again() -> None:
    """After a snapshot, also where its sweep has ended, and once."""
    names = [each.name for each in members_of(fine_tune(**SWEEP))]
    job, ended = fine_tune(**SWEEP), dict.fromkeys(names, member(State.FAILED, reason="Diverged"))
    while not job.status.state.ended:
        job = fine_tune(status=written(decided(job, **ended)), **SWEEP)
    resumed = decided(job, **{**ended, names[1]: member()})
    again = decided(job, **{**ended, names[1]: member(cancel="snapshot")})

    assert [each for each in resumed if isinstance(each, ChangeMember)] == [
        ChangeMember(names[1], {"metadata": {"annotations": {"ftjob.dev/cancel": "snapshot"}}})
    ]
    assert isinstance(resumed[0], WriteStatus)
    assert not [each for each in again if isinstance(each, ChangeMember)]


def test_a_cancel_comes_too_late_for_a_sweep_that_has_ended() -> None:
    """It stays as it ended."""
    names = [each.name for each in members_of(fine_tune(**SWEEP))]
    job, ended = fine_tune(**SWEEP), dict.fromkeys(names, member(State.SUCCEEDED))
    while not job.status.state.ended:
        job = fine_tune(status=written(decided(job, **ended)), **SWEEP)
    late = replace(job, annotations={"ftjob.dev/cancel": "now"})

    assert job.status.state is State.SUCCEEDED
    assert [each for each in decided(late, **ended) if not isinstance(each, RequeueAfter)] == []


def test_a_strangers_object_is_never_taken_for_a_member() -> None:
    """The sweep waits, and names it."""
    [first, *_] = [each.name for each in members_of(fine_tune(**SWEEP))]
    actions = decide_parent(ObservedSweep(fine_tune(**SWEEP), strangers=(first,), nodes=NODES), NOW)

    assert written(actions)["reason"] == "NameTaken"
    assert first not in [each.name for each in actions if isinstance(each, CreateMember)]


def test_an_edit_of_what_members_share_starts_none() -> None:
    """Another value in the sweep does."""
    begun = written(decided(fine_tune(**SWEEP)))
    edited = decided(fine_tune(status=begun, generation=2, solver={"momentum": 0.5}, **SWEEP))
    more: dict[str, Any] = {**SWEEP, "sweep": {**SWEEP["sweep"], "parallel": 9, "solver.base_lr": [0.1, 0.2]}}
    extended = decided(fine_tune(status=begun, **more))

    assert "EditRefused" in [each["type"] for each in written(edited)["conditions"]]
    assert not [each for each in edited if isinstance(each, CreateMember)]
    assert len([each for each in extended if isinstance(each, CreateMember)]) >= 2


def test_a_sweep_that_cannot_be_read_reports_why() -> None:
    """At the value."""
    wrong = {**SWEEP, "sweep": {"solver.base_lr": [-1]}}

    assert written(decided(fine_tune(**wrong)))["message"].startswith(
        "sweep.solver.base_lr[0]: must be greater"
    )


def an_object(name: str, *, version: int = 1, state: str = "Pending") -> dict[str, Any]:
    metadata = {
        "name": name, "namespace": "team", "uid": f"u-{name}", "resourceVersion": str(version),
        "labels": {"ftjob.dev/sweep": "emotions"}, "ownerReferences": [{"uid": "u-1"}],
    }  # fmt: skip
    return {"metadata": metadata, "spec": {}, "status": {"state": state}}


def test_news_of_a_member_is_news_of_its_sweep() -> None:
    """Its end, and its deletion, but not its money; and the queue asks the cache while it is notified."""
    queue = WorkQueue(lambda key: cache.patience(key))
    cache = Cache(queue.add, Clock())
    found: list[list[str]] = []

    def happens() -> None:
        for item in (an_object("m"), an_object("m", version=2), an_object("m", version=3, state="Succeeded")):
            cache._changed(CachedJob.of(item))
            found.append(taken(queue))
        cache._deleted(CachedJob.of(an_object("m", version=4)))
        found.append(taken(queue))

    thread = threading.Thread(target=happens, daemon=True)
    thread.start()
    thread.join(60)

    both = ["team/emotions", "team/m"]
    assert found == [both, ["team/m"], both, both]


def taken(queue: WorkQueue) -> list[str]:
    """The keys that are due."""
    keys = []
    while len(queue):
        got = queue.get()
        assert got
        keys.append(got[0])
        queue.done(got[0])
    return sorted(keys)


def test_a_member_whose_status_makes_no_sense_is_read() -> None:
    """An API server takes what the schema lets pass; the sweep goes on."""
    odd = {"state": 3, "usd": "x", "tested": [], "maxIter": None, "accuracy": 7.0}
    read = SweepMember.of({**an_object("m"), "status": odd})

    assert (read.state, read.usd, read.tested, read.accuracy) == (State.PENDING, 0.0, None, 1.0)
    assert replace(read, usd=9.0).differs(read) is False
