"""What calls pods from inside their network, as a program: `ask` once, or as a `crowd`."""

import http.client
import json
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.cluster.bed.cluster import Cluster

ROOT = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "tests.cluster.callers")
CONNECT_SECONDS = 3
ANSWER_SECONDS = 60
CROWD = 4
"""Callers at a time."""


def ask(bed: Cluster, address: str, *requests: tuple[str, dict[str, str]]) -> list[tuple[int, str]]:
    """Return status and text of the answers to GETs, each a path and its headers, of `HOST:PORT`."""
    done = subprocess.run(
        bed.in_namespace(*COMMAND, "ask", address),
        cwd=ROOT,
        input=json.dumps(requests).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return [(status, text) for status, text in json.loads(done.stdout)]


def crowd(bed: Cluster, address: str, path: str, body: Path) -> "subprocess.Popen[bytes]":
    """Start a crowd that posts a file again and again, until nobody takes its connections any more.

    Its first line is the first answer; its last has the number of answers of each status, and what was lost:
    requests on a connection that were not answered.
    """
    command = bed.in_namespace(*COMMAND, "crowd", address, path, str(body))
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


def _answers(address: str, requests: Iterable[tuple[str, dict[str, str]]]) -> list[tuple[int, str]]:
    found = []
    for path, headers in requests:
        connection = http.client.HTTPConnection(address, timeout=ANSWER_SECONDS)
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        found.append((answer.status, answer.read().decode()))
        connection.close()
    return found


def _crowd(address: str, path: str, body: bytes) -> None:
    answers: Counter[str] = Counter()
    lost: list[str] = []
    first: queue.Queue[bytes] = queue.Queue()

    def call() -> None:
        while True:
            connection = http.client.HTTPConnection(address, timeout=CONNECT_SECONDS)
            try:
                connection.connect()
            except OSError:
                return
            connection.sock.settimeout(ANSWER_SECONDS)
            connected, sent = time.monotonic(), False
            try:
                connection.request("POST", path, body)
                sent = True
                answer = connection.getresponse()
                text = answer.read()
                answers[str(answer.status)] += 1
                first.put(text)
            except (OSError, http.client.HTTPException) as error:
                seconds = time.monotonic() - connected
                lost.append(f"{error!r}: sent: {sent}, {seconds:.3f} s after it connected")
            finally:
                connection.close()

    callers = [threading.Thread(target=call) for _ in range(CROWD)]
    for caller in callers:
        caller.start()
    sys.stdout.write(first.get(timeout=ANSWER_SECONDS).decode().strip() + "\n")
    sys.stdout.flush()
    for caller in callers:
        caller.join()
    sys.stdout.write(json.dumps({"answers": answers, "lost": lost}) + "\n")


if __name__ == "__main__":
    if sys.argv[1] == "ask":
        sys.stdout.write(json.dumps(_answers(sys.argv[2], json.load(sys.stdin))))
    else:
        _crowd(sys.argv[2], sys.argv[3], Path(sys.argv[4]).read_bytes())
