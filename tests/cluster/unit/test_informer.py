"""A kind of object as it is listened to: where a watch goes on, and that no object hides another."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftjob.cluster.controller.cache import informer
from ftjob.cluster.controller.cache.cached_job import CachedJob
from ftjob.cluster.controller.cache.informer import ApiException, Informer, lines
from ftjob.cluster.resource.objects import Object, read_job, read_pod
from tests.cluster.unit.builders import job_object, pod_object

PATIENCE = 20.0


class Answer:
    """What the client returns for a list, or for a watch that ends after some events."""

    def __init__(self, data: bytes, events: list[bytes]) -> None:
        self.data, self._events = data, events

    def stream(self, **_: Any) -> list[bytes]:
        return [event + b"\n" for event in self._events]

    def close(self) -> None:
        """Nothing is held."""

    release_conn = close


class Server:
    """Answers lists and watches one after the other as it is told to; then it ends who asks."""

    def __init__(self, *answers: tuple[str, Any]) -> None:
        self._answers = list(answers)
        self.versions: list[str] = []
        """Where each watch was to go on."""

    def collection(self, verb: str, _: str, __: str | None, query: Mapping[str, Any], ___: float) -> Answer:
        if verb == "watch":
            self.versions.append(query["resourceVersion"])
        if not self._answers:
            raise SystemExit
        expected, answer = self._answers.pop(0)
        assert verb == expected
        if isinstance(answer, Exception):
            raise answer
        return Answer(answer, []) if verb == "list" else Answer(b"", answer)


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is spared here."""
    monkeypatch.setattr(informer, "LONGEST_PAUSE", 0.0)


def pod(version: int, name: str = "pod") -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "team", "resourceVersion": str(version)}}


def written(item: Any) -> bytes:
    """An item as a server writes it; one in bytes is so already."""
    return item if isinstance(item, bytes) else json.dumps(item).encode()


def listed(*items: Any, version: int = 5) -> tuple[str, bytes]:
    """A list's answer."""
    joined = b",".join(map(written, items))
    return "list", b'{"items":[%s],"metadata":{"resourceVersion":"%d"}}' % (joined, version)


def watched(*events: tuple[str, Any]) -> tuple[str, list[bytes]]:
    """A watch's answer."""
    return "watch", [b'{"type":"%s","object":%s}' % (kind.encode(), written(item)) for kind, item in events]


def deep(levels: int, name: str = "deep", version: int = 4) -> bytes:
    """A FineTuneJob with so many arrays in each other in its spec, and managed fields to match."""
    nested = "[" * levels + "]" * levels
    fields = '{"f:x":' * levels + "{}" + "}" * levels
    return (
        f'{{"metadata":{{"name":"{name}","namespace":"team","uid":"u","resourceVersion":"{version}",'
        f'"managedFields":[{{"fieldsV1":{fields}}}]}},"spec":{{"surgery":{{"heads":{nested}}}}}}}'
    ).encode()


def version(item: Object) -> int:
    return int(item["metadata"]["resourceVersion"])


Heard = tuple[list[Any], list[Any], Informer[Any]]


def listen(server: Server, read: Callable[[Object], Any] = version) -> Heard:
    """Return what was heard to have changed, and to be gone, until the server's last answer."""
    changed: list[Any] = []
    gone: list[Any] = []
    informer = Informer(server, "pods", "team", read)
    with pytest.raises(SystemExit):
        informer.listen(changed.append, gone.append)
    return changed, gone, informer


def test_a_watch_that_ends_goes_on_where_it_was() -> None:
    """At the last event's version, or bookmark's: going back would report all that was, as if it were new."""
    server = Server(listed(pod(3)), watched(("MODIFIED", pod(7))), watched(("BOOKMARK", pod(9))))
    changed, _, _ = listen(server)

    assert server.versions == ["5", "7", "9"]
    assert changed == [3, 7]


@pytest.mark.parametrize(
    "expired", [("watch", ApiException(status=410)), watched(("ERROR", {"code": 410, "reason": "Expired"}))]
)
def test_what_vanished_unheard_is_found_by_the_next_list(expired: Any) -> None:
    """A server that does not remember what happened since is asked for everything."""
    server = Server(listed(pod(3, "a"), pod(4, "b")), expired, listed(pod(4, "b"), version=9))
    changed, gone, _ = listen(server)

    assert (changed, gone) == ([3, 4, 4], [3])
    assert server.versions == ["5", "9"]


def test_every_page_of_a_list_counts() -> None:
    """What stands on the first one is not gone for not being on the last."""
    first = json.dumps({"items": [pod(1, "a")], "metadata": {"resourceVersion": "5", "continue": "x"}})
    changed, gone, _ = listen(Server(("list", first.encode()), listed(pod(2, "b"))))

    assert (changed, gone) == ([1, 2], [])


def test_a_server_in_trouble_ends_nothing() -> None:
    """Nor does nonsense from whatever stands before it: the list is asked for until it comes."""
    server = Server(
        ("list", ApiException(status=503)),
        ("list", b"<html>"),
        listed(pod(3)),
        ("watch", OSError("cut")),
        ("watch", [b'{"type":', b"[]", b'{"type":"MODIFIED"}', *watched(("MODIFIED", pod(6)))[1]]),
    )

    assert listen(server)[0] == [3, 6]


@pytest.mark.parametrize("levels", [230, 5000])
def test_an_object_however_deep_is_read(levels: int) -> None:
    """In a list, a list anew and an event: its deep parts are null, which no spec may have there."""
    others = [pod(number, f"pod-{number}") for number in range(3)]
    metadata = [each["metadata"] | {"uid": "u"} for each in others]
    items = [deep(levels), *({"metadata": each} for each in metadata)]
    server = Server(
        listed(*items),
        watched(("ERROR", {})),
        listed(*items),
        watched(("ADDED", deep(levels, "new", 7)), ("MODIFIED", items[2])),
    )
    changed, _, informer = listen(server, CachedJob.of)

    assert [each.key for each in changed[:4]] == ["team/deep", "team/pod-0", "team/pod-1", "team/pod-2"]
    assert [each.key for each in changed[4:]] == [
        *(each.key for each in changed[:4]),
        "team/new",
        "team/pod-1",
    ]
    assert b"null" in changed[0].text
    assert informer.unreadable == 0
    assert server.versions[-1] == "1"


def test_one_that_cannot_be_read_any_more_is_as_it_was(caplog: pytest.LogCaptureFixture) -> None:
    """Whoever spoils a pod's annotation must not make the controller believe that nothing runs."""

    def read(item: Object) -> int:
        if "bad" in item:
            raise ValueError("it is bad")
        return version(item)

    bad = pod(6) | {"bad": True}
    server = Server(
        listed(pod(3)),
        watched(("MODIFIED", bad), ("ERROR", {})),
        listed(bad, pod(8, "other")),
        watched(("DELETED", bad)),
    )
    changed, gone, informer = listen(server, read)

    assert (changed, gone) == ([3, 8], [3])
    assert caplog.text.count("an object cannot be read") == 1
    assert informer.unreadable == 0


def test_a_panic_is_no_end() -> None:
    """Libraries in Rust raise what is no Exception."""

    class Panic(BaseException):
        pass

    def read(item: Object) -> int:
        if version(item) == 3:
            raise Panic
        return version(item)

    changed, _, informer = listen(Server(listed(pod(3, "a"), pod(4, "b"))), read)

    assert changed == [4]
    assert informer.unreadable == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_who_does_not_listen_any_more_is_known() -> None:
    """A thread that ended hears nothing, for ever."""
    server = Server(listed())
    informer = Informer(server, "pods", "team", version)
    assert informer.silent == 0
    informer.start(lambda _: None, lambda _: None)
    deadline = time.monotonic() + PATIENCE
    while informer.silent != float("inf") and time.monotonic() < deadline:
        time.sleep(0.01)

    assert informer.silent == float("inf")


@given(st.lists(st.binary(max_size=5)), st.lists(st.integers(1, 8)))
def test_lines_are_whole_however_they_are_cut(texts: list[bytes], cuts: list[int]) -> None:
    """Whatever the pieces that a connection brings; blank lines and what breaks off are none."""
    whole = b"\n".join([*texts, b""])
    pieces = []
    rest = whole
    for length in cuts:
        pieces.append(rest[:length])
        rest = rest[length:]
    expected = [line for line in whole.split(b"\n")[:-1] if line.strip()]

    assert list(lines([*pieces, rest])) == expected
    assert list(lines([*pieces, rest, b"broken off"])) == expected


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metadata", "spec", "status", "name", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)
OBJECTS = {
    read_pod: lambda number, strange: pod_object() | {"metadata": named(pod_object(), number), **strange},
    read_job: lambda number, strange: job_object() | {"metadata": named(job_object(), number), **strange},
    CachedJob.of: lambda number, strange: {"metadata": named({"metadata": {"uid": "u"}}, number), **strange},
}


def named(item: dict[str, Any], number: int) -> dict[str, Any]:
    return item["metadata"] | {"name": f"good-{number}", "namespace": "team", "resourceVersion": str(number)}


@settings(max_examples=100, deadline=None)
@given(st.data(), st.sampled_from(list(OBJECTS)))
def test_among_whatever_else_every_good_one_is_seen(
    data: st.DataObject, read: Callable[[Object], Any]
) -> None:
    """Of arbitrary JSON in the same list, and in events before theirs."""
    make = OBJECTS[read]
    bad = st.one_of(
        ANYTHING,
        st.builds(lambda status, spec: make(0, {"status": status, "spec": spec}), ANYTHING, ANYTHING).map(
            lambda item: item | {"metadata": item["metadata"] | {"name": "bad"}}
        ),
        st.sampled_from([150, 250, 1500]).map(deep),
    )
    good = [make(number, {}) for number in range(1, 5)]
    mixed = data.draw(st.permutations([*good, *data.draw(st.lists(bad, max_size=6))]))
    server = Server(listed(*mixed[:4]), watched(*(("ADDED", item) for item in mixed[4:])))
    changed, gone, _ = listen(server, read)
    names = {each.key.partition("/")[2] if isinstance(each, CachedJob) else each.name for each in changed}

    assert {f"good-{number}" for number in range(1, 5)} <= names
    assert gone == []
