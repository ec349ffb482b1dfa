"""Spot notices: EC2 announces the end of a spot instance two minutes ahead, well before any SIGTERM.

https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/spot-instance-termination-notices.html
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Self

from ftjob.concurrency.periodic import Periodic
from ftjob.worker.watch.signals import StopRequest
from jobspec import JobSpec

POLL_SECONDS = 5.0
TIMEOUT_SECONDS = 1.0
FAILURES = 6
"""Requests in a row without an answer after which there is no metadata service here."""
TOKEN_SECONDS = 21600


@contextmanager
def notices(
    spec: JobSpec, endpoint: str | None, stop: StopRequest, log: Callable[[str], None]
) -> Iterator[None]:
    """Watch for a spot instance's notice during the block, where the run may be on one."""
    if not spec.resources.begins_on_spot:
        yield
        return

    def notify(notice: str) -> None:
        log(notice)
        stop.notify(notice)

    with Notices(notify, endpoint):
        yield


class Notices:
    """Polls the instance's metadata service in a thread until a notice comes or the block ends."""

    def __init__(
        self,
        on_notice: Callable[[str], None],
        endpoint: str | None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """`on_notice` is called once, with the notice as a sentence. No endpoint: nothing is polled."""
        self._on_notice = on_notice
        self._endpoint = (endpoint or "").rstrip("/")
        self._disabled = endpoint is None
        self._token = ""
        self._failures = 0
        self._questions = Periodic(self._ask, poll_seconds, "notices", at_once=True)

    def __enter__(self) -> Self:
        if not self._disabled:
            self._questions.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._questions.close()

    def _ask(self) -> None:
        try:
            notice = self._notice()
        except OSError:
            notice = ""
            self._failures += 1
        else:
            self._failures = 0
        if notice:
            self._on_notice(notice)
        if notice or self._failures == FAILURES:
            self._questions.end()

    def _notice(self) -> str:
        """Return the notice as a sentence, empty without one. Raises OSError where nothing answers."""
        status, text = self._get()
        if status == HTTPStatus.UNAUTHORIZED:
            headers = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_SECONDS)}
            _, self._token = self._request("PUT", "/latest/api/token", headers)
            status, text = self._get()
        if status != HTTPStatus.OK:
            return ""
        try:
            action = json.loads(text)
            return f"EC2 will {action['action']} the spot instance at {action['time']}"
        except (ValueError, KeyError, TypeError):
            return f"the spot instance has a notice: {text[:100]}"

    def _get(self) -> tuple[int, str]:
        token = {"X-aws-ec2-metadata-token": self._token}
        return self._request("GET", "/latest/meta-data/spot/instance-action", token)

    def _request(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        request = urllib.request.Request(self._endpoint + path, method=method, headers=headers)
        try:
            with _direct.open(request, timeout=TIMEOUT_SECONDS) as reply:
                return reply.status, reply.read().decode("utf-8", "replace")
        except urllib.error.HTTPError as error:
            with error:
                return error.code, ""


_direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
"""The service is on the instance's own link: no proxy knows it."""
