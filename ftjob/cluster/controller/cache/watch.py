"""One kind of object, listed and then watched for as long as the process lives, item by item.

An object that cannot be read hides no other, and does not vanish either where it could be read before: it is
taken to be as it was. It is named in the log once a version, and counted.
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
from ftjob.cluster.controller.serving.metrics import ERRORS
from ftjob.cluster.resource.objects import Object, key_of

RESYNC_SECONDS = 600
"""Of a watch; then everything is listed anew, should ever a change be missed."""
LIST_SECONDS, SILENCE_SECONDS = 60.0, 100.0
"""A connection that brings neither events nor the bookmarks of every minute is dead."""
PAGE = 500
LONGEST_PAUSE = 15.0
EXPIRED = 410
BOOKMARK, DELETED, ERROR = "BOOKMARK", "DELETED", "ERROR"
T = TypeVar("T")


class ExpiredError(Exception):
    """The server does not remember what came after a version: everything is to be listed anew."""


class ListerWatcher(Protocol):
    """The API server, which lists and watches."""

    def collection(
        self, verb: str, resource: str, namespace: str | None, query: Mapping[str, Any], silence: float
    ) -> Any:
        """Return the answer: a list's to be read, a watch's to be followed."""


class Informer(Generic[T]):
    """Lists and watches one kind of object; `read` says what we want of it, which is all that is kept."""

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
        """Of the list, or of the last event: where the next watch goes on. Empty: with a list."""
        self._tries = 0
        """Since the server last answered with anything."""
        self._thread: threading.Thread | None = None
        self._answered_at = time.monotonic()
        self.synced = threading.Event()
        """Set when everything was listed once and `changed` was called for all of it."""

    def start(self, changed: Callable[[T], None], deleted: Callable[[T], None]) -> None:
        """Listen from now on, in a thread."""
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
            except BaseException as error:  # noqa: BLE001 whatever it is, it must not end the listening
                if isinstance(error, ApiException) and error.status == EXPIRED:
                    self._version = ""
                ERRORS.labels("watch").inc()
                log("a watch broke off", resource=self.resource, error=described(error))

    def _pause(self) -> None:
        """Wait before trying anew, the longer the oftener nothing was heard."""
        if self._tries:
            time.sleep(min(LONGEST_PAUSE, 0.2 * 2.0 ** min(self._tries, 8)))
        self._tries += 1

    def _answered(self) -> None:
        self._tries, self._answered_at = 0, time.monotonic()

    def _list(self) -> None:
        """Hear of everything there is, and of what is no more."""
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
        """Follow what happens until the server ends that; list anew afterwards."""
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
        """Hear of one change. Raises ExpiredError where the server tells of an error instead."""
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
        """Return what we want of an object; None where it cannot be read."""
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
        except BaseException as error:  # noqa: BLE001 nor does one that cannot be taken hide the others
            ERRORS.labels("watch").inc()
            log("news could not be taken", resource=self.resource, error=described(error))

    def _cannot_read(self, key: str, version: str, error: BaseException) -> None:
        if self._unreadable.get(key) != version:
            log("an object cannot be read", resource=self.resource, object=key, error=described(error))
        self._unreadable[key] = version

    def _request(self, verb: str, query: Mapping[str, Any], silence: float) -> Any:
        return self._api.collection(verb, self.resource, self._namespace, {**self._chosen, **query}, silence)


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the lines that are whole; what breaks off was no event."""
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
