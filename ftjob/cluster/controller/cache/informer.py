"""An informer: lists and then watches one kind of object for as long as the process lives.

An object that cannot be read hides no other. Where it could be read before, its last readable version stays.
The log names it once a version, and a metric counts it.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from kubernetes.client import ApiException

from ftjob.cluster.controller.cache.shallow import read_shallow
from ftjob.cluster.controller.faults import EXITS, described
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ERRORS
from ftjob.cluster.resource.objects import Object, key_of

RESYNC_SECONDS = 600
"""The longest watch; then everything is listed again, in case a change was missed."""
LIST_SECONDS, SILENCE_SECONDS = 60.0, 100.0
"""A connection that brings neither events nor the bookmarks of every minute is dead."""
PAGE = 500
LONGEST_PAUSE = 15.0
EXPIRED = 410
BOOKMARK, DELETED, ERROR = "BOOKMARK", "DELETED", "ERROR"
T = TypeVar("T")


class ExpiredError(Exception):
    """The server has no history after a version: everything has to be listed again."""


class ListerWatcher(Protocol):
    """Lists and watches: the API server."""

    def collection(
        self, verb: str, resource: str, namespace: str | None, query: Mapping[str, Any], silence: float
    ) -> Any:
        """Return the response, which for a watch is not read yet."""


class Informer(Generic[T]):
    """Lists and watches one kind of object, of which it holds only what `read` returns."""

    def __init__(
        self,
        api: ListerWatcher,
        resource: str,
        namespace: str | None,
        read: Callable[[Object], T],
        **chosen: str,
    ) -> None:
        self._api, self.resource, self._namespace = api, resource, namespace
        self._read, self._chosen = read, chosen
        self._known: dict[str, T] = {}
        self._unreadable: dict[str, str] = {}
        """The version of each object that could not be read, by its key."""
        self._version = ""
        """Of the list or the last event: where the next watch continues. Empty where a list comes first."""
        self._tries = 0
        """Since the server last sent anything."""
        self._thread: threading.Thread | None = None
        self._answered_at = time.monotonic()
        self.synced = threading.Event()
        """Set when everything was listed once and `changed` was called for all of it."""

    def start(self, changed: Callable[[T], None], deleted: Callable[[T], None]) -> None:
        """Start to list and watch, in a thread."""
        self._answered_at = time.monotonic()
        target, name = partial(self.listen, changed, deleted), f"watch-{self.resource}"
        self._thread = threading.Thread(target=target, name=name, daemon=True)
        self._thread.start()

    @property
    def silent(self) -> float:
        """Seconds since the server last answered: 0 before the start, infinite where the thread ended."""
        if self._thread is None:
            return 0.0
        return time.monotonic() - self._answered_at if self._thread.is_alive() else float("inf")

    @property
    def unreadable(self) -> int:
        """How many objects there are that cannot be read."""
        return len(self._unreadable)

    def listen(self, changed: Callable[[T], None], deleted: Callable[[T], None]) -> None:
        """Call `changed` and `deleted` with what was read of each object, for as long as the thread lives."""
        self._changed, self._deleted = changed, deleted
        while True:
            self._pause()
            try:
                if not self._version:
                    self._list()
                    self.synced.set()
                self._watch()
            except ExpiredError:
                self._version = ""
            except EXITS:
                raise
            except BaseException as error:  # noqa: BLE001 whatever it is, it must not end the informer
                if isinstance(error, ApiException) and error.status == EXPIRED:
                    self._version = ""
                ERRORS.labels("watch").inc()
                log("a watch failed", resource=self.resource, error=described(error))

    def _pause(self) -> None:
        """Wait before the next try, longer after each one without an answer."""
        if self._tries:
            time.sleep(min(LONGEST_PAUSE, 0.2 * 2.0 ** min(self._tries, 8)))
        self._tries += 1

    def _answered(self) -> None:
        self._tries, self._answered_at = 0, time.monotonic()

    def _list(self) -> None:
        """List all objects; notify of each, and of those that are gone."""
        present: set[str] = set()
        version = ""
        for page in self._pages():
            self._answered()
            for item in page["items"]:
                key = _key(item)
                present.add(key)
                value = self._value(key, item)
                if value is not None:
                    self._known[key] = value
                    self._notify(self._changed, value)
            version = page["metadata"]["resourceVersion"]
        for key in self._known.keys() - present:
            self._notify(self._deleted, self._known.pop(key))
        for key in self._unreadable.keys() - present:
            del self._unreadable[key]
        self._version = version

    def _pages(self) -> Iterator[Any]:
        following: str | None = ""
        while following is not None:
            query = {"limit": PAGE, **({"continue": following} if following else {})}
            page = read_shallow(self._request("list", query, LIST_SECONDS).data)
            yield page
            following = page["metadata"].get("continue") or None

    def _watch(self) -> None:
        """Handle events until the server ends the watch, after which a long one is followed by a list."""
        query = {
            "watch": 1,
            "allowWatchBookmarks": "true",
            "resourceVersion": self._version,
            "timeoutSeconds": RESYNC_SECONDS,
        }
        begin = time.monotonic()
        answer = self._request("watch", query, SILENCE_SECONDS)
        self._answered_at = time.monotonic()
        try:
            for line in lines(answer.stream(amt=None, decode_content=False)):
                self._answered()
                self._event(line)
        finally:
            answer.close()
            answer.release_conn()
        if time.monotonic() - begin >= RESYNC_SECONDS:
            self._version = ""

    def _event(self, line: bytes) -> None:
        """Handle one event. Raises ExpiredError where the event is an error."""
        try:
            event = read_shallow(line)
            kind, item = event["type"], event["object"]
        except (ValueError, KeyError, TypeError) as error:
            self._cannot_read("", "", error)
            return
        if kind == ERROR:
            raise ExpiredError
        metadata = item.get("metadata") if isinstance(item, dict) else None
        if isinstance(metadata, dict):
            self._version = str(metadata.get("resourceVersion") or self._version)
        if kind == BOOKMARK:
            return
        key = _key(item)
        value = self._value(key, item)
        if kind == DELETED:
            before = self._known.pop(key, None)
            self._unreadable.pop(key, None)
            last = before if value is None else value
            if last is not None:
                self._notify(self._deleted, last)
        elif value is not None:
            self._known[key] = value
            self._notify(self._changed, value)

    def _value(self, key: str, item: Any) -> T | None:
        """Return what `read` makes of an object; None where it cannot be read."""
        try:
            if not key:
                raise ValueError("it has no name")
            value = self._read(item)
        except EXITS:
            raise
        except BaseException as error:  # noqa: BLE001 anybody may put our label on something of theirs
            self._cannot_read(key, _version(item), error)
            return None
        self._unreadable.pop(key, None)
        return value

    def _notify(self, handler: Callable[[T], None], value: T) -> None:
        try:
            handler(value)
        except EXITS:
            raise
        except BaseException as error:  # noqa: BLE001 one that cannot be handled must not hide the others
            ERRORS.labels("watch").inc()
            log("an event could not be handled", resource=self.resource, error=described(error))

    def _cannot_read(self, key: str, version: str, error: BaseException) -> None:
        if self._unreadable.get(key) != version:
            log("an object cannot be read", resource=self.resource, object=key, error=described(error))
        self._unreadable[key] = version

    def _request(self, verb: str, query: Mapping[str, Any], silence: float) -> Any:
        return self._api.collection(verb, self.resource, self._namespace, {**self._chosen, **query}, silence)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the complete lines; an incomplete last one is no event."""
    begun: list[bytes] = []
    for chunk in chunks:
        head, *others = chunk.split(b"\n")
        begun.append(head)
        for other in others:
            line = b"".join(begun)
            if line.strip():
                yield line
            begun = [other]


def _key(item: Any) -> str:
    """Return an object's key; empty where it has none."""
    try:
        return key_of(item)
    except (KeyError, TypeError, AttributeError):
        return ""


def _version(item: Any) -> str:
    try:
        return str(item["metadata"]["resourceVersion"])
    except (KeyError, TypeError):
        return ""
