"""The API server, as far as the controller speaks to it: plain objects in and out, every request counted."""

import json
import uuid
from collections.abc import Callable
from typing import Any

from kubernetes import client

from ftjob.cluster.actions import RecordEvent
from ftjob.cluster.controller.metrics import API_REQUESTS
from ftjob.cluster.names import API_VERSION, FIELD_MANAGER, GROUP, KIND, LABEL_JOB, PLURAL, VERSION
from ftjob.cluster.objects import FineTune, Object
from ftjob.cluster.status import FineTuneStatus
from ftjob.cluster.times import render_time

TIMEOUT = (5, 30)
"""Seconds to connect, and between two bytes of an answer."""
CONFLICT, NOT_FOUND = 409, 404


class ConflictError(Exception):
    """Somebody else wrote in the meantime, or made it already."""


class Api:
    """Requests to the API server. What is gone need not be deleted; other errors are the client's."""

    def __init__(self) -> None:
        self.core, self.batch = client.CoreV1Api(), client.BatchV1Api()
        self.custom = client.CustomObjectsApi()

    def jobs_and_pods(self, job: FineTune) -> tuple[list[Object], list[Object]]:
        """Return the Jobs and pods of a FineTuneJob as they are at this moment."""
        chosen = {"label_selector": f"{LABEL_JOB}={job.name}"}
        jobs = self._ask("list", "jobs", self.batch.list_namespaced_job, job.namespace, **chosen)
        pods = self._ask("list", "pods", self.core.list_namespaced_pod, job.namespace, **chosen)
        return jobs["items"], pods["items"]

    def create_job(self, namespace: str, manifest: dict[str, Any]) -> None:
        """Create a Job. Raises ConflictError where its name is taken."""
        self._ask("create", "jobs", self.batch.create_namespaced_job, namespace, manifest)

    def delete_job(self, namespace: str, name: str) -> None:
        """Delete a Job after its pods, each of which gets its grace period."""
        options = {"propagationPolicy": "Foreground"}
        self._ask("delete", "jobs", self.batch.delete_namespaced_job, name, namespace, body=options)

    def kill_pod(self, namespace: str, name: str) -> None:
        """Remove a pod at once."""
        options = {"gracePeriodSeconds": 0}
        self._ask("delete", "pods", self.core.delete_namespaced_pod, name, namespace, body=options)

    def write_status(self, item: Object, status: FineTuneStatus) -> Object:
        """Write a FineTuneJob's status; return the object. Raises ConflictError where it was changed."""
        body = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {key: item["metadata"][key] for key in ("name", "namespace", "resourceVersion")},
            "spec": item["spec"],
            "status": status.to_json(),
        }
        where = (GROUP, VERSION, item["metadata"]["namespace"], PLURAL, item["metadata"]["name"])
        replace = self.custom.replace_namespaced_custom_object_status
        written: Object = self._ask("update", "finetunejobs/status", replace, *where, body)
        return written

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
            "message": action.message[:1000],
            "type": "Warning" if action.warning else "Normal",
            "source": {"component": FIELD_MANAGER},
            "firstTimestamp": render_time(now),
            "lastTimestamp": render_time(now),
            "count": 1,
        }
        self._ask("create", "events", self.core.create_namespaced_event, job.namespace, body)

    def last_warning(self, namespace: str, kind: str, name: str) -> str:
        """Return the message of the newest warning about a Job or pod; empty where there is none."""
        chosen = {"field_selector": f"involvedObject.kind={kind},involvedObject.name={name},type=Warning"}
        found = self._ask("list", "events", self.core.list_namespaced_event, namespace, **chosen)["items"]
        newest = max(found, key=lambda each: each.get("lastTimestamp") or "", default=None)
        return str(newest.get("message", "")) if newest else ""

    def _ask(self, verb: str, resource: str, call: Callable[..., Any], *words: Any, **options: Any) -> Any:
        API_REQUESTS.labels(verb, resource).inc()
        try:
            answer = call(*words, **options, _preload_content=False, _request_timeout=TIMEOUT)
        except client.ApiException as error:
            if error.status == CONFLICT:
                raise ConflictError(resource) from None
            if error.status == NOT_FOUND and verb == "delete":
                return {}
            raise
        return json.loads(answer.data)
