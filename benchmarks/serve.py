"""`ftjob serve` under load: pictures a second and latencies under wrk, and what SIGTERM loses.

A GoogLeNet is trained for one iteration, which makes a bundle. `ftjob serve` answers one JPEG file of a
camera's preview (640x480) after the other, from $CONNECTIONS connections (16) that wrk keeps, for $SECONDS
(20), several $ROUNDS (3). Then SIGTERM comes in the middle of a round: every request must be answered until
the connection is closed. For the ratio, the same bundle classifies as many files in this process, without
HTTP (`benchmarks.classify`).
"""

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.classify import ask_ftjob, make_bundle, write_photos
from ftjob.bundle.classifier import open_classifier, read_for_use
from ftjob.bundle.hardware import choose_hardware
from ftjob.concurrency import processors

CONNECTIONS = int(os.environ.get("CONNECTIONS", "16"))
SECONDS = int(os.environ.get("SECONDS", "20"))
ROUNDS = int(os.environ.get("ROUNDS", "3"))
DIRECT = 300
"""Pictures without HTTP, in a round."""
SCRIPT = """
local file = io.open("{picture}", "rb")
wrk.method, wrk.body = "POST", file:read("*a")
wrk.headers["Content-Type"] = "image/jpeg"
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout + errors.status
  io.write(string.format("RESULT %d %d %f %f %d\\n", summary.requests, summary.duration,
    latency:percentile(50), latency:percentile(99), failed))
end
"""
RESULT = re.compile(r"^RESULT (\d+) (\d+) ([\d.]+) ([\d.]+) (\d+)$", re.MULTILINE)


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        [picture] = write_photos(root / "photo", 1)
        (root / "post.lua").write_text(SCRIPT.format(picture=picture))
        bundle = make_bundle(root)
        rates, direct, middles, ends = [], [], [], []
        for _ in range(ROUNDS):
            direct.append(directly(bundle, picture))
            with served(bundle) as (_, address):
                wrk(address, root, 2)
                rate, middle, end, errors = wrk(address, root, SECONDS)
            assert not errors, f"{errors} requests failed"
            rates.append(rate)
            middles.append(middle)
            ends.append(end)
            print(
                f"{rate:6.1f} images/s  p50 {middle:6.1f} ms  p99 {end:6.1f} ms  directly {direct[-1]:6.1f}"
            )
        answered, lost = stopped(bundle, root)
    print(
        json.dumps(
            {
                "connections": CONNECTIONS,
                "threads": processors.share(),
                "images/s": round(statistics.median(rates), 1),
                "p50 ms": round(statistics.median(middles), 1),
                "p99 ms": round(statistics.median(ends), 1),
                "answered around SIGTERM": answered,
                "lost on SIGTERM": lost,
                "ratio_serve_classify": round(statistics.median(rates) / statistics.median(direct), 3),
            }
        )
    )


def directly(bundle: Path, picture: str) -> float:
    """Return pictures a second without HTTP."""
    model = read_for_use(bundle)
    hardware = choose_hardware("auto", gpu=False, precision="fp32", fastest_for=model.net)
    with open_classifier(model, hardware) as classifier:
        ask_ftjob(classifier, [picture])
        begin = time.perf_counter()
        ask_ftjob(classifier, [picture] * DIRECT)
        return DIRECT / (time.perf_counter() - begin)


@contextmanager
def served(bundle: Path) -> Iterator[tuple["subprocess.Popen[str]", str]]:
    """Run the server, and give its process and address."""
    command = [sys.executable, "-m", "ftjob", "serve", str(bundle), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout
            yield server, server.stdout.readline().strip()
        finally:
            server.terminate()
            server.wait()


def wrk(address: str, root: Path, seconds: int) -> tuple[float, float, float, int]:
    """Return images a second, median and 99th percentile of the latency in ms, and failed requests."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--timeout=60s", f"-s{root / 'post.lua'}"]
    done = subprocess.run([*command, f"{address}/classify"], capture_output=True, text=True, check=True)
    found = RESULT.search(done.stdout)
    assert found, done.stdout + done.stderr
    requests, micros, middle, end, errors = map(float, found.groups())
    return requests / micros * 1e6, middle / 1000, end / 1000, int(errors)


def stopped(bundle: Path, root: Path) -> tuple[int, int]:
    """Return how many requests a server answered that got SIGTERM in the middle, and how many it lost.

    wrk goes on against a closed port, and counts connections that are refused as failed writes: they began
    no request.
    """
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", "-d6s", "--timeout=60s", f"-s{root / 'post.lua'}"]
    with served(bundle) as (server, address):
        wrk(address, root, 2)
        load = subprocess.Popen([*command, f"{address}/classify"], stdout=subprocess.PIPE, text=True)
        time.sleep(3)
        server.send_signal(signal.SIGTERM)
        assert server.wait() == 0
        text, _ = load.communicate()
    found = RESULT.search(text)
    assert found, text
    broken = re.search(r"Socket errors: connect \d+, read (\d+), write \d+, timeout (\d+)", text)
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    lost = sum(map(int, broken.groups())) if broken else 0
    return int(found[1]), lost + (int(bad[1]) if bad else 0)


if __name__ == "__main__":
    main()
