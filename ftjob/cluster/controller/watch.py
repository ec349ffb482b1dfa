"""The client's informer on values of ours, with a pause between tries and an end to silent connections."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from types import SimpleNamespace
from typing import Any, Generic, Protocol, TypeVar

from kubernetes.informer import SharedInformer
from kubernetes.informer.informer import ADDED, BOOKMARK, DELETED, ERROR, MODIFIED
from pydantic_core import from_json

from ftjob.cluster.controller.metrics import ERRORS
from ftjob.cluster.objects import Object

RESYNC_SECONDS = 600
LIST_SECONDS, SILENCE_SECONDS = 60.0, 100.0
"""A connection that brings neither events nor the bookmarks of every minute is dead."""
PAGE = 500
LONGEST_PAUSE = 15.0
VALUE = "value"
UNREADABLE = (ValueError, KeyError, TypeError, AttributeError)
"""What an object of somebody else's that bears our label may make of a reader."""
T = TypeVar("T")


class Collections(Protocol):
    """The API server, which lists and watches."""

    def collection(
        self, verb: str, resource: str, namespace: str | None, query: Mapping[str, Any], silence: float
    ) -> Any:
        """Return the answer: a list's to be read, a watch's to be followed."""


class Source(Generic[T]):
    """One kind of object as the informer wants it, which lists and watches; `read` says what we want of it.

    The informer remembers all that it is told of. An object is a hundred times as large as what we read of
    it, so that the value takes its place as soon as it was read: page by page, and event by event.
    """

    def __init__(
        self,
        api: Collections,
        resource: str,
        namespace: str | None,
        read: Callable[[Object], T],
        **chosen: str,
    ) -> None:
        self._api, self.resource, self._namespace = api, resource, namespace
        self._read, self._chosen = read, chosen
        self._failures = 0
        self._version = ""
        """Of the list, or of the last event: where the next watch goes on."""
        self.heard = threading.Event()
        """Set when everything was listed once and every handler was told."""

    def __call__(self, **options: Any) -> Any:
        """List all, or watch.

        The client asks for the type that is returned here. Without one it leaves events as they are, which
        spares it to write and read each of them twice more; but it remembers no versions then, so that we do.
        """
        self._pause()
        try:
            answer = self._watch(options) if options.pop("watch", False) else self._list()
        except Exception:
            self._failures += 1
            raise
        self._failures = 0
        return answer

    def tell(self, handler: Callable[[T], None], item: dict[str, Any]) -> None:
        """Tell a handler of an object that the informer tells us of, and leave the informer what is kept."""
        if VALUE not in item:  # it is as the server had it
            self.note(item)
            kept = self._kept(item)
            item.clear()
            item.update(kept)
        handler(item[VALUE])

    def note(self, item: Object) -> None:
        """Remember where the watch is."""
        self._version = item["metadata"]["resourceVersion"]

    def _kept(self, item: Object) -> dict[str, Any]:
        metadata = {key: item["metadata"].get(key) for key in ("namespace", "name")}
        return {"metadata": metadata, VALUE: self._read(item)}

    def _pause(self) -> None:
        """Wait before trying anew; the informer itself would try at once, for as long as a server is away."""
        if self._failures:
            time.sleep(min(LONGEST_PAUSE, 0.2 * 2.0 ** min(self._failures, 8)))

    def _watch(self, options: Mapping[str, Any]) -> Any:
        self.heard.set()  # the informer watches after it has told of the whole list
        query = {"watch": 1, "allowWatchBookmarks": "true", "resourceVersion": self._version}
        query["timeoutSeconds"] = options["timeout_seconds"]
        return self._ask("watch", query, SILENCE_SECONDS)

    def _list(self) -> Any:
        """Return every object as it is kept, page by page."""
        items: list[Object] = []
        following: str | None = ""
        while following is not None:
            query = {"limit": PAGE, **({"continue": following} if following else {})}
            page = from_json(self._ask("list", query, LIST_SECONDS).data)
            for item in page["items"]:
                with suppress(*UNREADABLE):  # as the informer does of an event; it must not hide the others
                    items.append(self._kept(item))
            following = page["metadata"].get("continue") or None
        self.note(page)
        return SimpleNamespace(items=items, metadata=SimpleNamespace(resource_version=self._version))

    def _ask(self, verb: str, query: Mapping[str, Any], silence: float) -> Any:
        return self._api.collection(verb, self.resource, self._namespace, {**self._chosen, **query}, silence)


def start_informer(
    source: Source[T], changed: Callable[[T], None], deleted: Callable[[T], None]
) -> SharedInformer:
    """Watch a kind of object for as long as the process lives."""
    informer = SharedInformer(source, resync_period=RESYNC_SECONDS)
    for event, handler in ((ADDED, changed), (MODIFIED, changed), (DELETED, deleted)):
        informer.add_event_handler(event, partial(source.tell, handler))
    informer.add_event_handler(BOOKMARK, source.note)
    informer.add_event_handler(ERROR, lambda _: ERRORS.labels("watch").inc())
    informer.start()
    return informer
