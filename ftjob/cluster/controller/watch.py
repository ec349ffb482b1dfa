"""The client's informer on plain objects, with a pause between tries and an end to silent connections."""

import json
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from kubernetes.informer import SharedInformer
from kubernetes.informer.informer import ADDED, DELETED, ERROR, MODIFIED

from ftjob.cluster.controller.metrics import API_REQUESTS, ERRORS
from ftjob.cluster.objects import Object

RESYNC_SECONDS = 600
SILENCE_SECONDS = 100.0
"""A connection that brings neither events nor the bookmarks of every minute is dead."""
PAGE = 500
LONGEST_PAUSE = 15.0
Handler = Callable[[Object], None]


class Source:
    """One kind of object as the informer wants it: lists and watches, as plain dicts."""

    def __init__(self, resource: str, call: Callable[..., Any], *words: str, **options: str) -> None:
        self.resource, self._call, self._words, self._options = resource, call, words, options
        self._failures = 0
        self.heard = threading.Event()
        """Set when everything was listed once and every handler was told."""

    def __call__(self, **options: Any) -> object:
        """List all, or watch.

        The client asks for the type that is returned here. With one it makes plain values of events and
        remembers the version of each; without, it would begin anew after every connection.
        """
        self._pause()
        try:
            answer = self._watch(options) if options.pop("watch", False) else self._list()
        except Exception:
            self._failures += 1
            raise
        self._failures = 0
        return answer

    def _pause(self) -> None:
        """Wait before trying anew; the informer itself would try at once, for as long as a server is away."""
        if self._failures:
            time.sleep(min(LONGEST_PAUSE, 0.2 * 2.0 ** min(self._failures, 8)))

    def _watch(self, options: dict[str, Any]) -> Any:
        self.heard.set()  # the informer watches after it has told of the whole list
        API_REQUESTS.labels("watch", self.resource).inc()
        more = {"watch": True, "allow_watch_bookmarks": True, "_request_timeout": (5.0, SILENCE_SECONDS)}
        return self._call(*self._words, **self._options, **{**options, **more})

    def _list(self) -> Any:
        """Return every object, page by page, without the bookkeeping that is of no use to us."""
        items: list[Object] = []
        following: dict[str, Any] = {}
        while True:
            API_REQUESTS.labels("list", self.resource).inc()
            asked = {**self._options, **following, "limit": PAGE, "_preload_content": False}
            page = json.loads(self._call(*self._words, **asked, _request_timeout=(5.0, 60.0)).data)
            for item in page["items"]:
                item["metadata"].pop("managedFields", None)
            items += page["items"]
            if not page["metadata"].get("continue"):
                break
            following = {"_continue": page["metadata"]["continue"]}
        version = page["metadata"]["resourceVersion"]
        return SimpleNamespace(items=items, metadata=SimpleNamespace(resource_version=version))


def start_informer(source: Source, changed: Handler, deleted: Handler) -> SharedInformer:
    """Watch a kind of object for as long as the process lives."""
    informer = SharedInformer(source, resync_period=RESYNC_SECONDS)
    informer.add_event_handler(ADDED, changed)
    informer.add_event_handler(MODIFIED, changed)
    informer.add_event_handler(DELETED, deleted)
    informer.add_event_handler(ERROR, lambda _: ERRORS.labels("watch").inc())
    informer.start()
    return informer
