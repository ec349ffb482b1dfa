"""The command line's client of the API server: creates, reads, watches and changes FineTuneJobs."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import ceil, inf
from pathlib import Path
from typing import Any

from ftjob.cluster.resource.names import (
    ANNOTATION_CANCEL,
    ANNOTATION_RETRY,
    GROUP,
    PLURAL,
    VERSION,
)
from ftjob.cluster.resource.objects import FineTune, read_fine_tune
from ftjob.concurrency.retry import patiently
from ftjob.errors import BadSpecError, FtjobError, StorageError

TIMEOUT = (5, 60)
WATCH_SECONDS = 300
PATIENCE_SECONDS = 120.0
"""How long a caller that follows a run waits for an API server that is restarting or failing over."""
MERGE = "application/merge-patch+json"
KUBECONFIG = Path("~/.kube/config")
"""Where kubectl looks without $KUBECONFIG."""


class NameTakenError(BadSpecError):
    """An object of this name is there already."""


@dataclass(frozen=True)
class Cluster:
    """A cluster as kubectl sees it: a context and a namespace."""

    namespace: str
    core: Any
    """The client's CoreV1Api."""
    custom: Any
    """The client's CustomObjectsApi."""

    def create(self, manifest: dict[str, Any]) -> FineTune:
        """Create a FineTuneJob. Raises NameTakenError, or BadSpecError where the server refuses it."""
        return read_fine_tune(self._request("create_namespaced_custom_object", manifest))

    def get(self, name: str, *, patience: float = 0.0) -> FineTune:
        """Return a FineTuneJob; a cluster that does not answer is tried again for `patience` seconds.

        Raises BadSpecError where there is none, StorageError where the cluster does not answer.
        """
        ask = partial(self._request, "get_namespaced_custom_object", name)
        return read_fine_tune(patiently(ask, patience) if patience else ask())

    def list(self) -> "list[FineTune]":
        """Return the namespace's FineTuneJobs, the oldest first."""
        items = self._request("list_namespaced_custom_object")["items"]
        return sorted(map(read_fine_tune, items), key=lambda job: job.created)

    def watch(self, name: str, deadline: float | None = None) -> Iterator[FineTune]:
        """Yield a FineTuneJob now and after every change, until it is deleted or `deadline` (time.monotonic)
        is reached; a connection that ends is renewed.

        Raises BadSpecError where there is none, StorageError where the cluster does not answer: at first, or
        later for PATIENCE_SECONDS.
        """
        from kubernetes.client import ApiException
        from kubernetes.watch import Watch
        from urllib3.exceptions import HTTPError

        left = _left(deadline)
        job = self.get(name)
        while True:
            yield job
            if (seconds := left()) <= 0:
                return
            chosen = {
                "field_selector": f"metadata.name={name}",
                "resource_version": job.resource_version,  # no change since then is missed
                "timeout_seconds": ceil(min(WATCH_SECONDS, seconds)),
                "_request_timeout": (TIMEOUT[0], min(WATCH_SECONDS + TIMEOUT[1], seconds)),
            }
            try:
                for event in Watch().stream(self._call("list_namespaced_custom_object"), **chosen):
                    if event["type"] == "DELETED":
                        return
                    yield read_fine_tune(event["object"])
            except HTTPError:
                pass  # a broken connection: the `get` below finds out whether the cluster is there
            except ApiException as error:
                if error.status != 410:
                    raise refusal(error, name, self.namespace) from None
            if (seconds := left()) <= 0:
                return
            try:
                job = self.get(name, patience=min(PATIENCE_SECONDS, seconds))
            except StorageError:
                if left() <= 0:
                    return
                raise

    def cancel(self, name: str, *, now: bool = False) -> None:
        """Cancel a run after a snapshot, or without one where `now` is true."""
        how = "now" if now else "snapshot"
        self._annotate(name, {ANNOTATION_CANCEL: how, ANNOTATION_RETRY: None})

    def resume(self, name: str) -> None:
        """Resume a run that was cancelled or that failed."""
        after = str(self.get(name).status.attempt)
        self._annotate(name, {ANNOTATION_CANCEL: None, ANNOTATION_RETRY: after})

    def _annotate(self, name: str, annotations: dict[str, str | None]) -> None:
        """Write annotations in one change; None removes one."""
        self._patch(name, {"metadata": {"annotations": annotations}})

    def _patch(self, name: str, change: dict[str, Any]) -> None:
        self._request("patch_namespaced_custom_object", name, change, _content_type=MERGE)

    def _call(self, verb: str) -> Any:
        """Return a method of the Kubernetes client bound to FineTuneJobs of this namespace."""

        # kubernetes.watch.Watch parses the docstring of the function that it is given for the type of its
        # events (Watch.get_return_type): `:return: object` makes it yield dicts and follow their version.

        def call(*words: Any, **options: Any) -> Any:
            """Call the API server.

            :return: object
            """
            options.setdefault("_request_timeout", TIMEOUT)
            return getattr(self.custom, verb)(GROUP, VERSION, self.namespace, PLURAL, *words, **options)

        return call

    def _request(self, verb: str, *words: Any, **options: Any) -> Any:
        from kubernetes.client import ApiException
        from urllib3.exceptions import HTTPError

        try:
            return self._call(verb)(*words, **options)
        except ApiException as error:
            name = words[0] if words and isinstance(words[0], str) else ""
            raise refusal(error, name, self.namespace) from None
        except HTTPError as error:
            raise no_answer(error) from None


def _left(deadline: float | None) -> Callable[[], float]:
    """Return a function that gives the seconds until a time of time.monotonic."""
    return lambda: inf if deadline is None else deadline - time.monotonic()


def refusal(error: Any, name: str, namespace: str) -> FtjobError:
    """Return the error for an API server's refusal (an ApiException) about an object."""
    try:
        message = str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        message = str(error.reason)
    if error.status == 404:
        return BadSpecError(
            f"{name or PLURAL}: not in namespace {namespace} ({message}): see `kubectl get ftj -A`, or "
            "install ftjob with `kubectl apply -k k8s/`"
        )
    if error.status >= 500:
        return StorageError(
            f"the cluster cannot answer ({message}): try again, or see `kubectl cluster-info`"
        )
    kind = NameTakenError if error.status == 409 else BadSpecError
    return kind(f"the cluster refuses: {message}")


def no_answer(error: Exception) -> FtjobError:
    """Return the error for a connection that failed."""
    return StorageError(f"the cluster does not answer ({error}): see `kubectl cluster-info`")


def connect(context: str | None = None, namespace: str | None = None) -> Cluster:
    """Return the cluster that kubectl would use: that of the kubeconfig or, in a pod without one, the pod's.

    Raises BadSpecError where none is configured.
    """
    from kubernetes import client
    from kubernetes.config.config_exception import ConfigException

    path = os.environ.get("KUBECONFIG")  # read now: the client itself reads it only when it is imported
    is_named = bool(path or context) or KUBECONFIG.expanduser().exists()
    try:
        if not is_named and "KUBERNETES_SERVICE_HOST" in os.environ:
            api, own = _of_pod()
        else:
            api, own = _of_kubeconfig(path, context)
    except (ConfigException, KeyError, OSError) as error:
        raise BadSpecError(f"no cluster is known ({error}): set KUBECONFIG, or add --local") from None
    return Cluster(namespace or own or "default", client.CoreV1Api(api), client.CustomObjectsApi(api))


def _of_kubeconfig(path: str | None, context: str | None) -> tuple[Any, str | None]:
    """Return the client of a context, or of the current one, and the namespace that it names."""
    from kubernetes import config

    api = config.new_client_from_config(config_file=path, context=context)
    contexts, current = config.list_kube_config_contexts(config_file=path)
    known = {each["name"]: each for each in contexts}
    chosen = known[context] if context else current
    return api, chosen["context"].get("namespace")


def _of_pod() -> tuple[Any, str | None]:
    """Return the client with the rights of this pod's service account, and the pod's namespace.

    The client reads the token again every minute, since a kubelet renews it before it expires.
    """
    from kubernetes import client
    from kubernetes.config import incluster_config

    settings = client.Configuration()
    incluster_config.load_incluster_config(settings)
    token = Path(incluster_config.SERVICE_TOKEN_FILENAME)
    return client.ApiClient(settings), token.with_name("namespace").read_text(encoding="utf-8").strip()
