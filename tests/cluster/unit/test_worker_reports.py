"""What running workers are asked: whatever they answer, or do not, Progress is taken or nothing."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from ftjob.cluster.controller import worker_reports
from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.worker_reports import Answer, Reports, checked
from ftjob.cluster.resource.objects import Pod
from tests.cluster.unit.builders import report

LONG_AGO = float("-inf")
POD = Pod("p", "j", 1, running=True, ip="127.0.0.1")
Behaviour = Callable[[socket.socket], None]


def answering(data: bytes) -> Behaviour:
    def answers(connection: socket.socket) -> None:
        connection.recv(4096)
        connection.sendall(data)

    return answers


def good(body: bytes) -> bytes:
    return b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + body


def silent(connection: socket.socket) -> None:
    connection.settimeout(60)
    with suppress(TimeoutError):
        while connection.recv(4096):
            pass


def dripping(connection: socket.socket) -> None:
    """Send a byte now and then, for ever: each of them comes in time."""
    try:
        while True:
            connection.sendall(b"H")
            time.sleep(0.05)
    except OSError:
        pass


class Worker:
    """A server on a port of its own that treats every connection alike."""

    def __init__(self, behaviour: Behaviour) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.asked = 0
        self._behaviour = behaviour
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            self.asked += 1
            threading.Thread(target=self._one, args=(connection,), daemon=True).start()

    def _one(self, connection: socket.socket) -> None:
        with connection:
            self._behaviour(connection)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(autouse=True)
def pods_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the loopback stand for a pod's address, and wait for as long as a busy machine may take."""
    monkeypatch.setattr(worker_reports, "checked", lambda ip: ip)
    monkeypatch.setattr(worker_reports, "DEADLINE_SECONDS", 60.0)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less for those who do not answer."""
    monkeypatch.setattr(worker_reports, "DEADLINE_SECONDS", 1.0)


class Heard:
    """Waits for objects to be looked at."""

    def __init__(self) -> None:
        self._new = threading.Semaphore(0)

    def __call__(self, _: str) -> None:
        self._new.release()

    def wait(self) -> None:
        assert self._new.acquire(timeout=120)


def asked(behaviour: Behaviour, key: str = "team/a") -> Answer:
    """What is known of a pod once it was asked."""
    heard = Heard()
    with closing(Worker(behaviour)) as worker:
        reports = Reports(heard, Clock(), worker.port)
        assert reports.get(key, POD, LONG_AGO) is None
        heard.wait()
        found = reports.get(key, POD, LONG_AGO)
        assert found
        return found


def test_a_report_is_taken() -> None:
    """In the background: the first look finds nothing yet."""
    assert asked(answering(good(report().render()))).progress == report()


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (good(b"[]"), "it: model_type"),
        (good(b"null"), "it: model_type"),
        (good(b"[" * 4000), "it: json_invalid"),
        (good(b'{"attempt": 1, "loss": NaN}'), "loss: finite_number"),
        (good(b'{"attempt": 1, "earlier_usd": -1e6}'), "earlier_usd: greater_than_equal"),
        (good(b" " * 100_000), "it has 8192 bytes, 4096 at most are read"),
        (b"HTTP/1.0 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n", "it does not answer with 200"),
        (b"HTTP/1.0 200 OK\r\n" + b"X: y\r\n" * 100_000, "its head has more than 4096 bytes"),
    ],
)
def test_what_is_no_report_is_dropped_with_a_reason(data: bytes, refused: str) -> None:
    """In a clause that quotes nothing of it."""
    found = asked(answering(data))

    assert found.progress is None
    assert found.refused.startswith(refused[:8])


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("behaviour", [silent, dripping, answering(b""), answering(b"HTTP/1.0 200 OK\r\n")])
def test_who_does_not_answer_is_left_alone_in_time(behaviour: Behaviour) -> None:
    """A question has one deadline for all of it; nothing is known afterwards, and nothing is reported."""
    found = asked(behaviour)

    assert (found.progress, found.refused, found.gone) == (None, "", False)


def test_a_pod_that_does_not_answer_is_asked_again_after_a_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not at every look; and one that answered, only when its answer is old."""
    heard, clock = Heard(), Clock()
    with closing(Worker(answering(b""))) as worker:
        reports = Reports(heard, clock, worker.port)
        for _ in range(5):
            reports.get("team/a", POD, clock.now() + 60)
        heard.wait()
        reports.get("team/a", POD, LONG_AGO)
        assert worker.asked == 1
        monkeypatch.setattr(worker_reports, "PAUSE_SECONDS", 0.0)
        reports.get("team/a", POD, clock.now() + 60)
        heard.wait()
        assert worker.asked == 2


def test_a_pod_that_runs_no_more_is_not_asked() -> None:
    """What it answered last is still known."""
    heard = Heard()
    with closing(Worker(answering(good(report().render())))) as worker:
        reports = Reports(heard, Clock(), worker.port)
        reports.get("team/a", POD, LONG_AGO)
        heard.wait()
        ended = replace(POD, running=False)
        found = reports.get("team/a", ended, float("inf"))
        assert found
        assert found.progress == report()
        assert reports.get("team/a", replace(ended, name="another"), float("inf")) is None
        assert worker.asked == 1


def test_the_last_answer_of_a_pod_stays_when_it_falls_silent() -> None:
    """As a worker does whose pod is taken away; it counts as asked."""
    heard, clock = Heard(), Clock()
    with closing(Worker(answering(good(report().render())))) as worker:
        reports = Reports(heard, clock, worker.port)
        reports.get("team/a", POD, LONG_AGO)
        heard.wait()
    first = reports.get("team/a", POD, LONG_AGO)
    reports.get("team/a", POD, clock.now() + 60)
    heard.wait()

    last = reports.get("team/a", POD, LONG_AGO)
    assert first
    assert last
    assert last.progress == first.progress == report()
    assert last.asked > first.asked


def test_a_pod_in_which_nobody_listens_is_noticed() -> None:
    """Its container has ended, whatever the kubelet writes of it."""
    heard = Heard()
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    reports = Reports(heard, Clock(), port)
    reports.get("team/a", POD, LONG_AGO)
    heard.wait()
    found = reports.get("team/a", POD, LONG_AGO)

    assert found
    assert found.gone


def test_silent_pods_of_one_namespace_do_not_delay_those_of_another() -> None:
    """A hundred of them have their share of the questions under way."""
    heard = Heard()
    with closing(Worker(silent)) as many, closing(Worker(answering(good(report().render())))) as other:
        reports = Reports(lambda _: None, Clock(), many.port)
        for number in range(100):
            reports.get(f"loud/{number}", POD, LONG_AGO)
        reports._enqueue, reports._port = heard, other.port
        reports.get("team/a", POD, LONG_AGO)
        while (found := reports.get("team/a", POD, LONG_AGO)) is None:
            heard.wait()
        assert found.progress == report()
        assert many.asked <= worker_reports.SHARE + 1


@pytest.mark.parametrize(
    "ip", ["169.254.169.254", "127.0.0.1", "::1", "0.0.0.0", "fe80::1", "224.0.0.1", "x"]
)
def test_only_pods_are_asked(ip: str) -> None:
    """Not the instance's metadata service, nor the controller's own machine."""
    with pytest.raises(ValueError, match="address"):
        checked(ip)
    assert checked("10.88.0.7") == "10.88.0.7"
