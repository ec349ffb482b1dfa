"""A real MLflow server on this machine, from the packages of `make mlflow`."""

import os
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SERVER = Path(__file__).parents[3] / ".cache" / "mlflow" / "bin" / "mlflow"
SECONDS = 240.0
"""In which it starts on a busy machine."""


@contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Give the URI of a server whose runs and files are in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    uri, log = f"http://127.0.0.1:{port}", folder / "server.log"
    command = [
        *(SERVER, "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"),
        *("--backend-store-uri", f"sqlite:///{folder}/runs.db", "--artifacts-destination", folder / "files"),
    ]
    env = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with log.open("wb") as output:
        server = subprocess.Popen(
            command, cwd=folder, env=env, stdout=output, stderr=output, start_new_session=True
        )
        try:
            wait_for(uri, server, log)
            yield uri
        finally:
            os.killpg(server.pid, 15)
            server.wait(30)


def wait_for(uri: str, server: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + SECONDS
    while server.poll() is None and time.monotonic() < end:
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"MLflow did not start: {log.read_text()}")
