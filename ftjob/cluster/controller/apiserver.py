"""The controller's requests to the API server: plain objects in and out, every request counted."""

import uuid
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

from kubernetes import client
from pydantic_core import to_json
from urllib3 import BaseHTTPResponse, Timeout

from ftjob.cluster.controller.cache.shallow import read_shallow
from ftjob.cluster.controller.serving.prometheus import API_REQUESTS
from ftjob.cluster.policy.actions import RecordEvent
from ftjob.cluster.resource.names import API_VERSION, FIELD_MANAGER, KIND, LABEL_JOB, PLURAL
from ftjob.cluster.resource.objects import FineTune, Object
from ftjob.cluster.resource.status import FineTuneStatus
from ftjob.cluster.resource.times import render_time
from jobspec.text import plain

TIMEOUT = Timeout(connect=5, read=30)
"""Seconds to connect, and between two bytes of an answer."""
CONFLICT, NOT_FOUND, REFUSED = 409, 404, 400
TERMINATING = '"reason":"NamespaceTerminating"'
"""The cause with which anything new is refused there (plugin/namespace/lifecycle/admission.go)."""
STATUS = f"{PLURAL}/status"
MERGE = "application/merge-patch+json"
METHODS = {
    "list": "GET",
    "watch": "GET",
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
}
GROUPS = {
    "jobs": "/apis/batch/v1",
    "pods": "/api/v1",
    "events": "/api/v1",
    "configmaps": "/api/v1",
    PLURAL: f"/apis/{API_VERSION}",
}


class ConflictError(Exception):
    """The object was written in the meantime, or exists already."""


class GoneError(Exception):
    """The object was deleted, or its namespace is being deleted; the event is on its way."""


class Api:
    """Requests to the API server. Deleting what is gone succeeds, anything else done to it raises GoneError;
    other errors are the client's.

    The client's methods validate and copy their arguments for longer than the server takes to answer; so only
    the server's address, the credentials and the connections come from the client.
    """

    def __init__(self) -> None:
        api_client = client.ApiClient()
        self._settings = api_client.configuration
        self._server = api_client.rest_client.pool_manager.connection_from_url(self._settings.host)
        self._below = urlsplit(self._settings.host).path.rstrip("/")

    def jobs_and_pods(self, job: FineTune) -> tuple[list[Object], list[Object]]:
        """Return the Jobs and pods of a FineTuneJob as they are at this moment."""
        chosen = urlencode({"labelSelector": f"{LABEL_JOB}={job.name}"})
        jobs = self._request("list", "jobs", job.namespace, f"?{chosen}")
        pods = self._request("list", "pods", job.namespace, f"?{chosen}")
        return jobs["items"], pods["items"]

    def create_job(self, namespace: str, manifest: Object) -> Object:
        """Create a Job; return it. Raises ConflictError where its name is taken."""
        made: Object = self._request("create", "jobs", namespace, body=manifest)
        return made

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job after its pods, each of which gets its grace period."""
        self._request("delete", "jobs", namespace, f"/{name}", body={"propagationPolicy": "Foreground"})

    def kill_pod(self, namespace: str, name: str) -> None:
        """Remove a pod at once."""
        self._request("delete", "pods", namespace, f"/{name}", body={"gracePeriodSeconds": 0})

    def write_status(self, item: Object, status: FineTuneStatus) -> Object:
        """Write a FineTuneJob's status; return the object. Raises ConflictError where it was changed."""
        metadata = item["metadata"]
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {key: metadata[key] for key in ("name", "namespace", "resourceVersion")},
            "spec": item["spec"],
            "status": status.to_json(),
        }
        below = f"/{metadata['name']}/status"
        written: Object = self._request("update", STATUS, metadata["namespace"], below, body=body)
        return written

    def create_fine_tune(self, namespace: str, manifest: Object) -> None:
        """Create a FineTuneJob. Raises ConflictError where its name is taken."""
        self._request("create", PLURAL, namespace, body=manifest)

    def patch_fine_tune(self, namespace: str, name: str, patch: Object) -> None:
        """Merge a patch into a FineTuneJob."""
        self._request("patch", PLURAL, namespace, f"/{name}", body=patch)

    def record_event(self, job: FineTune, action: RecordEvent, now: float) -> None:
        """Record an Event about a FineTuneJob."""
        body = {
            "metadata": {"name": f"{job.name}.{uuid.uuid4().hex[:16]}", "namespace": job.namespace},
            "involvedObject": {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
            },
            "reason": action.reason,
            "message": plain(action.message),
            "type": "Warning" if action.warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": render_time(now),
            "lastTimestamp": render_time(now),
            "count": 1,
        }
        self._request("create", "events", job.namespace, body=body)

    def warnings(self, namespace: str) -> list[Object]:
        """Return every warning Event of a namespace; a narrower query would cost the server as much."""
        chosen = urlencode({"fieldSelector": "type=Warning"})
        found: list[Object] = self._request("list", "events", namespace, f"?{chosen}")["items"]
        return found

    def collection(
        self, verb: str, resource: str, namespace: str | None, query: Mapping[str, Any], silence: float
    ) -> BaseHTTPResponse:
        """List or watch a namespace's objects, or all there are; a watch's answer is not read yet.

        `silence` is how many seconds may pass between two bytes of it.
        """
        return self._send(
            verb,
            resource,
            namespace,
            f"?{urlencode(query)}",
            timeout=Timeout(connect=5, read=silence),
            preload_content=verb != "watch",
        )

    def _request(
        self, verb: str, resource: str, namespace: str, below: str = "", body: Object | None = None
    ) -> Any:
        try:
            answer = self._send(
                verb, resource, namespace, below, body=None if body is None else to_json(body)
            )
        except client.ApiException as error:
            if error.status == CONFLICT:
                raise ConflictError(resource) from None
            if error.status == NOT_FOUND and verb == "delete":
                return {}
            if error.status == NOT_FOUND or TERMINATING in str(error.body):
                raise GoneError(resource) from None
            raise
        return read_shallow(answer.data)

    def _send(
        self, verb: str, resource: str, namespace: str | None, below: str, **options: Any
    ) -> BaseHTTPResponse:
        API_REQUESTS.labels(verb, resource).inc()
        within = f"/namespaces/{namespace}" if namespace else ""
        plural = resource.partition("/")[0]
        answer = self._server.urlopen(
            METHODS[verb],
            f"{self._below}{GROUPS[plural]}{within}/{plural}{below}",
            headers={"Content-Type": MERGE if verb == "patch" else "application/json", **self._credentials()},
            **{"timeout": TIMEOUT, **options},
        )
        if answer.status >= REFUSED:
            body = answer.data.decode(errors="replace")
            raise client.ApiException(status=answer.status, reason=answer.reason, body=body)
        return answer

    def _credentials(self) -> dict[str, str]:
        """Return the header that authenticates us; the client renews a token that has expired."""
        return {each["key"]: each["value"] for each in self._settings.auth_settings().values()}
