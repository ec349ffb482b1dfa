"""The two programs that are compared, each a process of its own with the controller's rights."""

import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from prometheus_client.parser import text_string_to_metric_families

ROOT = Path(__file__).parents[2]
QUIET_SHARE = 0.1
"""A processor's share, for so many seconds, at which a program is taken to have heard everything."""
QUIET_SECONDS = 5.0


@dataclass(frozen=True)
class Usage:
    """What a program took since its start."""

    processor: float
    """Seconds, in its own code and the kernel's."""
    requests: dict[str, int]
    """To the API server, by verb and resource."""


@dataclass(frozen=True)
class Contender:
    """One of the two, running."""

    name: str
    process: psutil.Popen
    port: int

    def usage(self) -> Usage:
        """Return what it took until now."""
        times = self.process.cpu_times()
        return Usage(times.user + times.system, self._requests())

    def resident_mb(self) -> float:
        """Return its memory."""
        return float(self.process.memory_info().rss) / 1e6

    def peak_mb(self) -> float:
        """Return the most memory it had."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(text.partition("VmHWM:")[2].split()[0]) * 1024 / 1e6

    def wait_until_quiet(self, patience: float = 180) -> float:
        """Return once it has nothing to do, with the share of a processor that it takes then."""
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            share = self.process.cpu_percent(QUIET_SECONDS) / 100
            if share < QUIET_SHARE:
                return float(share)
        raise RuntimeError(f"{self.name} does not come to rest in {patience:.0f} s")

    def _requests(self) -> dict[str, int]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=30) as page:
            families = {each.name: each for each in text_string_to_metric_families(page.read().decode())}
        samples = families["ftjob_api_requests"].samples
        return {
            f"{each.labels['verb']} {each.labels['resource']}": int(each.value)
            for each in samples
            if each.name.endswith("_total")
        }


@contextmanager
def running(name: str, namespace: str, settings: Path, environment: dict[str, str]) -> Iterator[Contender]:
    """Have one of the two run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    where = [f"--namespace={namespace}", f"--lease-namespace={namespace}"]
    ours = ["ftjob", "controller", f"--config={settings}", f"--port={port}", "--address=127.0.0.1", *where]
    other = ["benchmarks.controller.kopf_operator", namespace, str(settings), str(port)]
    with settings.with_name(f"{name}.log").open("wb") as log:
        command = [sys.executable, "-m", *(other if name == "kopf" else ours)]
        process = psutil.Popen(command, env=environment, cwd=ROOT, stdout=log, stderr=log)
    try:
        contender = Contender(name, process, port)
        contender.wait_until_quiet()
        yield contender
    finally:
        process.terminate()
        process.wait(60)
