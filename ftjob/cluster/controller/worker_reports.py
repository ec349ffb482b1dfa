"""What running workers report: fetched from their pods over HTTP, while no reconcile waits.

A user's pod answers: it may be silent, slow, large or lying. So a request has one deadline as a whole, an
answer a largest size, a namespace a share of the requests under way. An answer is Progress or is dropped.
"""

import asyncio
import errno
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from ipaddress import ip_address

from ftjob.cluster.controller.clock import Clock
from ftjob.cluster.controller.serving.logs import log
from ftjob.cluster.controller.serving.prometheus import ERRORS
from ftjob.cluster.resource.objects import Pod
from ftjob.runfolder.progress import LARGEST, PATH, PORT, Progress

DEADLINE_SECONDS = 4.0
"""For a whole request: connection, head and body."""
SHARE = 8
"""Requests of one namespace that are under way at a time."""
PAUSE_SECONDS = 5.0
"""Between two requests to a pod that did not answer well."""
HEAD = 4096
"""Bytes of an answer's head that are read at most."""
NOBODY = (errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH)
"""Errors of a connection to a pod whose container, or network, is no more."""
REQUEST = "GET {path} HTTP/1.0\r\nHost: {host}\r\nAccept: application/json\r\n\r\n"


@dataclass(frozen=True)
class Answer:
    """What a pod answered, and when the request was made."""

    pod: str
    asked: float
    progress: Progress | None = None
    refused: str = ""
    """What is wrong with the answer; empty where none came."""
    gone: bool = False
    """Whether nobody listens there."""


class Reports:
    """The newest answer of every FineTuneJob's pod; a new one enqueues the FineTuneJob."""

    def __init__(self, enqueue: Callable[[str], None], clock: Clock, port: int = PORT) -> None:
        self._enqueue, self._clock, self._port = enqueue, clock, port
        self._lock = threading.Lock()
        self._answers: dict[str, Answer] = {}
        self._asking: set[str] = set()
        self._shares: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(SHARE))
        self._loop = asyncio.new_event_loop()
        threading.Thread(target=self._loop.run_forever, name="reports", daemon=True).start()

    def get(self, key: str, pod: Pod, since: float) -> Answer | None:
        """Return a pod's last answer; request another where it runs and that was before `since`."""
        with self._lock:
            known = self._answers.get(key)
            known = known if known and known.pod == pod.name else None
            if known and known.progress is None:
                since = max(since, self._clock.now() - PAUSE_SECONDS)
            due = known is None or known.asked < since
            if due and pod.running and pod.ip and key not in self._asking:
                self._asking.add(key)
                asyncio.run_coroutine_threadsafe(self._fetch(key, pod.name, pod.ip), self._loop)
            return known

    def forget(self, key: str) -> None:
        """Drop the answer of an object that is gone."""
        with self._lock:
            self._answers.pop(key, None)

    async def _fetch(self, key: str, pod: str, ip: str) -> None:
        answer = Answer(pod, self._clock.now())
        try:
            async with self._shares[key.partition("/")[0]]:
                answer = Answer(pod, self._clock.now())
                async with asyncio.timeout(DEADLINE_SECONDS):
                    data = await fetch(ip, self._port)
                answer = Answer(pod, answer.asked, Progress.parse(data))
        except ValueError as error:
            answer = Answer(pod, answer.asked, refused=str(error))
        except Exception as error:  # noqa: BLE001 whatever it is, the next request follows
            ERRORS.labels("report").inc()
            answer = replace(answer, gone=isinstance(error, OSError) and error.errno in NOBODY)
            log("a worker does not answer", job=key, pod=pod, error=repr(error)[:200])
        finally:
            with self._lock:
                self._asking.discard(key)
                known = self._answers.get(key)
                if known and known.pod == pod and known.progress and not (answer.progress or answer.refused):
                    # it is silent now: its last word stays
                    answer = replace(known, asked=answer.asked, gone=answer.gone)
                self._answers[key] = answer
            self._enqueue(key)


async def fetch(ip: str, port: int) -> bytes:
    """Return the body of a pod's answer. Raises OSError or EOFError where none comes, ValueError for one
    that is not to be read."""
    reader, writer = await asyncio.open_connection(checked(ip), port, limit=HEAD)
    try:
        writer.write(REQUEST.format(path=PATH, host=ip).encode())
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            raise ValueError(f"its head has more than {HEAD} bytes") from None
        if head.split(b" ", 2)[1:2] != [b"200"]:
            raise ValueError("it does not answer with 200")
        body = b""
        while len(body) <= LARGEST and (more := await reader.read(LARGEST)):
            body += more
        return body
    finally:
        writer.close()


def checked(ip: str) -> str:
    """Return a pod's address. Raises ValueError for one that no pod has, such as the metadata service's."""
    address = ip_address(ip)
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        raise ValueError(f"{address} is no pod's address")
    return str(address)
