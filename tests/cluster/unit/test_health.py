"""Health: the truth about who listens and who looks; and the pages that show it, however slow the asker."""

import socket
import urllib.error
import urllib.request
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any

import pytest

from ftjob.cluster.controller.serving import web
from ftjob.cluster.controller.serving.health import DEAF_SECONDS, Health
from ftjob.cluster.controller.serving.prometheus import REGISTRY
from ftjob.cluster.controller.serving.web import serve
from ftjob.cluster.controller.workqueue.queue import WorkQueue


class Parts:
    """Sources and lookers that do as they are told."""

    def __init__(self) -> None:
        self.pods = SimpleNamespace(resource="pods", silent=0.0, unreadable=0)
        self.jobs = SimpleNamespace(resource="jobs", silent=0.0, unreadable=3)
        self.counts = {"dead": 0, "alive": 32, "stuck": 0}
        informers: Any = SimpleNamespace(each=lambda: (self.pods, self.jobs))
        workers: Any = SimpleNamespace(**{name: self.counter(name) for name in self.counts})
        self.health = Health(informers, WorkQueue(), workers)

    def counter(self, name: str) -> Any:
        return lambda: self.counts[name]


@pytest.fixture
def parts() -> Parts:
    """A controller's parts, all well, and leading."""
    made = Parts()
    made.health.leads()
    made.health.listens()
    return made


def test_a_controller_that_does_its_work_is_well(parts: Parts) -> None:
    """Somebody's objects that cannot be read are no illness of its own, but are counted."""
    assert (parts.health.unhealthy(), parts.health.unready()) == ("", "")
    parts.health.measure()
    assert REGISTRY.get_sample_value("ftjob_unreadable_objects", {"resource": "jobs"}) == 3
    assert REGISTRY.get_sample_value("ftjob_lookers") == 32


@pytest.mark.parametrize("silent", [DEAF_SECONDS + 1, float("inf")])
def test_one_that_hears_nothing_is_not(parts: Parts, silent: float) -> None:
    """Whether the server answers nothing, or nobody listens any more."""
    parts.pods.silent = silent

    assert (
        parts.health.unhealthy()
        == parts.health.unready()
        == "the API server sent nothing about pods for 300 s"
    )
    parts.health.measure()
    assert REGISTRY.get_sample_value("ftjob_watch_silent_seconds", {"resource": "pods"}) == silent


def test_one_without_lookers_is_not(parts: Parts) -> None:
    """Nor is one whose looks do not end."""
    parts.counts |= {"dead": 2, "stuck": 1}

    assert parts.health.unhealthy() == "2 worker threads died; 1 reconciles are stuck"


def test_one_that_could_not_begin_is_not() -> None:
    """It holds the Lease, and nobody else acts."""
    health = Parts().health
    assert health.unready() == ""
    health.leads()
    assert (health.unhealthy(), health.unready()) == ("", "the informers have not synced yet")
    health.broke(OSError("no server"))
    assert health.unhealthy() == "it could not start its informers (OSError)"


@pytest.fixture
def page(parts: Parts) -> tuple[str, int]:
    """The pages of a controller's health."""
    health = parts.health
    port = serve("127.0.0.1", 0, health.unhealthy, health.unready, health.measure)
    return "127.0.0.1", port


def fetched(page: tuple[str, int], path: str) -> tuple[int, bytes]:
    """A page's status and text."""
    try:
        with urllib.request.urlopen(f"http://{page[0]}:{page[1]}{path}", timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def test_the_pages_show_it(parts: Parts, page: tuple[str, int]) -> None:
    """As probes and Prometheus ask."""
    assert fetched(page, "/healthz") == (200, b"ok\n")
    assert b"ftjob_unreadable_objects" in fetched(page, "/metrics")[1]
    parts.counts["stuck"] = 1
    assert fetched(page, "/healthz") == fetched(page, "/readyz") == (503, b"1 reconciles are stuck\n")
    assert fetched(page, "/etc/passwd")[0] == 404


def test_who_asks_slowly_keeps_nobody_out(page: tuple[str, int], monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest connections go where there are too many; each has a thread no longer than that."""
    monkeypatch.setattr(web, "MOST", 4)
    with ExitStack() as stack:
        slow = [stack.enter_context(socket.create_connection(page, timeout=20)) for _ in range(12)]
        for each in slow:
            each.sendall(b"GET /hea")
        for _ in range(3):
            assert fetched(page, "/healthz")[0] == 200
        ended = [each.recv(1) == b"" for each in slow[:8]]

    assert ended == [True] * 8
