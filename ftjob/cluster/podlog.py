"""The log of a run's newest pod, every line once: after a break it continues behind the last line."""

from collections.abc import Iterator
from typing import Any

from ftjob.cluster.client import TIMEOUT, WATCH_SECONDS, Cluster, no_answer, refusal
from ftjob.cluster.resource.names import CONTAINER, LABEL_ATTEMPT, LABEL_JOB

NOT_YET, GONE = 400, 404
"""How the API server refuses the log of a container that waits to start, and of a pod that is no more."""


class PodLog:
    """The log of a FineTuneJob's pods, read in turns.

    The times that the kubelet writes before the lines tell them apart: nanoseconds, all of one width
    (RFC3339NanoFixed in kubernetes/pkg/kubelet/types), so that they sort as text.
    """

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster = cluster
        self._name = name
        self._pod = ""
        self._last = b""
        """The time of the last line that was yielded of this pod."""

    def lines(self, *, follow: bool = False) -> Iterator[str]:
        """Yield the lines of the newest attempt's pod since the last turn; `follow` waits for more until its
        container ends. Yields nothing where there is no pod, or its container waits.

        Raises StorageError where the log cannot be read, or the connection breaks: call again to continue.
        Raises BadSpecError where the cluster refuses it.
        """
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            if (pod := self._newest()) != self._pod:
                self._pod, self._last = pod, b""
            for line in self._open(follow=follow) if pod else ():
                time, _, text = line.partition(b" ")
                if time > self._last and (line.endswith(b"\n") or not follow):
                    self._last = time
                    yield text.decode("utf-8", "replace")
        except ApiException as error:
            if error.status not in (NOT_YET, GONE):
                raise refusal(error, self._pod, self._cluster.namespace) from None
        except HTTPError as error:
            raise no_answer(error) from None

    def _newest(self) -> str:
        pods = self._cluster.core.list_namespaced_pod(
            self._cluster.namespace, label_selector=f"{LABEL_JOB}={self._name}", _request_timeout=TIMEOUT
        ).items
        newest = max(pods, key=lambda pod: int(pod.metadata.labels.get(LABEL_ATTEMPT, 0)), default=None)
        return newest.metadata.name if newest else ""

    def _open(self, *, follow: bool) -> Any:
        """Return the lines as bytes, each after its time."""
        return self._cluster.core.read_namespaced_pod_log(
            self._pod,
            self._cluster.namespace,
            container=CONTAINER,
            follow=follow,
            timestamps=True,
            _preload_content=False,
            _request_timeout=(TIMEOUT[0], WATCH_SECONDS),
        )
