"""The API server as its administrator asks it: plain JSON over one pool of connections."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Object = dict[str, Any]
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
FINE_TUNES = "/apis/ftjob.dev/v1alpha1/namespaces/{}/finetunejobs"


class Server:
    """A client of one API server. Raises RuntimeError with its message where it refuses a request."""

    def __init__(self, kubeconfig: Path, connections: int = 16) -> None:
        from kubernetes import config

        loader: Any = config
        client = loader.new_client_from_config(config_file=str(kubeconfig))
        self._host: str = client.configuration.host
        self._pool: Any = client.rest_client.pool_manager
        self._pool.connection_pool_kw |= {"maxsize": connections, "block": True}

    def ask(self, verb: str, path: str, body: Object | None = None, kind: str = "application/json") -> Object:
        """Send a request; return the answer. What is not there any more is empty."""
        sent = json.dumps(body).encode() if body is not None else None
        answer = self._pool.request(verb, self._host + path, body=sent, headers={"Content-Type": kind})
        if answer.status == 404 and verb in ("DELETE", "PATCH"):
            return {}
        if answer.status >= 400:
            raise RuntimeError(f"{verb} {path}: {answer.data[:500].decode()}")
        return dict(json.loads(answer.data))

    def watch(self, path: str) -> Iterator[tuple[str, Object]]:
        """Yield every change of a collection from now on: ADDED, MODIFIED or DELETED, and the object."""
        joined = "&" if "?" in path else "?"
        whole = path.partition("?")[0]  # with a selector, an old server goes through all objects one by one
        version = self.ask("GET", f"{whole}?limit=1")["metadata"]["resourceVersion"]
        while True:  # the server closes a watch that does not keep up
            asked = f"{self._host}{path}{joined}watch=1&resourceVersion={version}"
            with self._pool.request("GET", asked, preload_content=False, timeout=None) as lines:
                for event in map(json.loads, lines):
                    if event["type"] == "ERROR":
                        raise RuntimeError(f"watch {path}: {event['object']}")
                    version = event["object"]["metadata"]["resourceVersion"]
                    yield event["type"], event["object"]
