"""A bundle behind a server, in a thread of the test's process."""

import http.client
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from ftjob.bundle.classifier import read_for_use
from ftjob.bundle.hardware import choose_hardware
from ftjob.serve.running import Listening, serve
from ftjob.serve.service import ServedModel, ServiceOptions
from tests.bundle.conftest import made as made

Address = tuple[str, int]
NAME = "digits"


@contextmanager
def served(bundle: Path, options: ServiceOptions | None = None) -> Iterator[Address]:
    """Serve a bundle, and stop at the end."""
    model = read_for_use(bundle)
    hardware = choose_hardware("auto", gpu=False, precision="fp32", fastest_for=model.net)
    where = Listening(port=0, linger_seconds=0, service=options or ServiceOptions())
    addresses: queue.Queue[str] = queue.Queue()
    stop = threading.Event()
    thread = threading.Thread(
        target=serve, args=(ServedModel(NAME, "1", model, hardware), where, addresses.put, stop)
    )
    thread.start()
    try:
        found = urlsplit(addresses.get(timeout=120))
        yield found.hostname or "", found.port or 0
    finally:
        stop.set()
        thread.join(120)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def server(made: Path) -> Iterator[Address]:
    """The address of a server with the default settings, but for smaller limits."""
    options = ServiceOptions()
    limits = replace(options.limits, body_bytes=1_000_000, pixels=1_000_000, images=40)
    with served(made, replace(options, limits=limits)) as address:
        yield address


def ask(
    address: Address, method: str, path: str, body: bytes | None = None, **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers and body of an answer."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request(
            method, path, body, {name.replace("_", "-"): text for name, text in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, {name.lower(): text for name, text in answer.getheaders()}, answer.read()
    finally:
        connection.close()
