"""The informer on our source: what it asks for when a connection ended."""

import json
import threading
from typing import Any

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


def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    """At the last event's version: going back to the list's would tell all that was, as if it were new."""
    asked: list[str] = []
    heard: list[Object] = []
    again, over = threading.Event(), threading.Event()

    def ask(**options: Any) -> Answer:
        if not options.get("watch"):
            return Answer({"items": [pod(3)], "metadata": {"resourceVersion": "5"}}, [])
        asked.append(options["resource_version"])
        if len(asked) == 2:
            again.set()
            over.wait()
        return Answer({}, [{"type": "MODIFIED", "object": pod(7)}] if len(asked) == 1 else [])

    informer = start_informer(Source("pods", ask), heard.append, heard.append)
    assert again.wait(20)
    over.set()
    informer.stop()

    assert asked[:2] == ["5", "7"]
    assert heard == [pod(3), pod(7)]
