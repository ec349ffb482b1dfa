"""The informer on our source: what it asks for when a connection ended."""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest

from ftjob.cluster.controller.watch import Source, start_informer
from ftjob.cluster.objects import Object


class Answer:
    """What the client returns for a list, or for a watch that ends after some events."""

    status = 200

    def __init__(self, document: Any, events: list[Any]) -> None:
        self.data, self._events = json.dumps(document), events

    def stream(self, **_: Any) -> list[bytes]:
        return [json.dumps(event).encode() + b"\n" for event in self._events]

    def close(self) -> None:
        """Nothing is held."""

    release_conn = close


def pod(version: int) -> dict[str, Any]:
    return {"metadata": {"name": "pod", "namespace": "team", "resourceVersion": str(version)}}


def version(item: Object) -> int:
    return int(item["metadata"]["resourceVersion"])


class Server:
    """Has one pod; its first watch tells of a change and ends, its second one stays."""

    def __init__(self) -> None:
        self.versions: list[str] = []
        self.again, self.over = threading.Event(), threading.Event()

    def collection(self, verb: str, _: str, __: str | None, query: Mapping[str, Any], ___: float) -> Answer:
        if verb == "list":
            return Answer({"items": [pod(3)], "metadata": {"resourceVersion": "5"}}, [])
        self.versions.append(query["resourceVersion"])
        if len(self.versions) == 2:
            self.again.set()
            self.over.wait()
        return Answer({}, [{"type": "MODIFIED", "object": pod(7)}] if len(self.versions) == 1 else [])


@pytest.fixture
def server() -> Iterator[Server]:
    """Lets its last watch go at the end."""
    made = Server()
    yield made
    made.over.set()


def listen(server: Server, read: Callable[[Object], Any]) -> tuple[Any, list[Any]]:
    """Hear what there is until the second watch."""
    heard: list[Any] = []
    informer = start_informer(Source(server, "pods", "team", read), heard.append, heard.append)
    assert server.again.wait(20)
    server.over.set()
    informer.stop()
    return informer, heard


def test_a_watch_that_ends_goes_on_where_it_was(server: Server) -> None:
    """At the last event's version: going back to the list's would tell all that was, as if it were new."""
    _, heard = listen(server, version)

    assert server.versions[:2] == ["5", "7"]
    assert heard == [3, 7]


def test_an_object_is_not_kept_beside_what_was_read_of_it(server: Server) -> None:
    """The informer remembers all it is told of, and an object is a hundred times what we read of it."""
    informer, _ = listen(server, version)

    assert informer.cache.list() == [{"metadata": {"namespace": "team", "name": "pod"}, "value": 7}]


def test_an_object_that_cannot_be_read_does_not_hide_the_others(server: Server) -> None:
    """Anybody may put our label on something of theirs."""

    def read(item: Object) -> int:
        return version(item) if version(item) > 3 else int("three")

    _, heard = listen(server, read)

    assert heard == [7]
