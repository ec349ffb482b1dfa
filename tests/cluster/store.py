"""A Swift inside a cluster's network, where pods and this machine reach it by the node's address."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.bed.cluster import Cluster
from tests.storage import swift_server
from tests.storage.processes import wait_until
from tests.storage.servers import Server

ROOT = Path(__file__).parents[2]
RELAY = """
import socket, sys, threading

def copy(source, target):
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        source.close(), target.close()

server = socket.create_server((sys.argv[1], 0), backlog=128)
print(server.getsockname()[1], flush=True)
while True:
    here, _ = server.accept()
    there = socket.create_connection(("127.0.0.1", int(sys.argv[2])))
    for pair in ((here, there), (there, here)):
        threading.Thread(target=copy, args=pair, daemon=True).start()
"""


@contextmanager
def store_in(cluster: Cluster, folder: Path) -> Iterator[Server]:
    """Have a store in the cluster's network, its objects below a folder."""
    record = folder / "server.json"
    swift = [sys.executable, "-W", "ignore", "-m", "tests.storage.swift_server", str(folder), "0"]
    with subprocess.Popen(cluster.in_namespace(*swift), cwd=ROOT, stderr=subprocess.DEVNULL) as server:
        wait_until(record.exists, 60, "Swift answers")
        port = json.loads(record.read_text())["port"]
        relay = cluster.in_namespace(sys.executable, "-c", RELAY, cluster.node, str(port))
        with subprocess.Popen(relay, stdout=subprocess.PIPE, text=True) as passing:
            assert passing.stdout is not None
            address = f"http://{cluster.node}:{int(passing.stdout.readline())}"
            yield Server(address, swift_server.ACCESS_KEY, swift_server.SECRET_KEY)
            passing.kill()
        server.kill()
