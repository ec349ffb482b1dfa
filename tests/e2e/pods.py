"""A worker as a pod has it: spec, owner and termination message in files, progress on a port."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftjob.api import plan
from ftjob.runfolder.address import location_of
from ftjob.runfolder.progress import Progress
from ftjob.runfolder.status import ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR
from ftjob.worker.pod.context import ENV_STATUS_PORT, ENV_TERMINATION_LOG
from jobspec import dump_spec
from tests.forked import client

OWNER = {"cluster": "east", "namespace": "vision", "name": "digits", "uid": "1"}


@dataclass
class Pod:
    """One attempt's pod, or one that plans, in a folder of its own."""

    folder: Path
    process: "client.Forked | subprocess.Popen[bytes] | None" = None

    @property
    def stderr(self) -> str:
        return (self.folder / "stderr").read_text(errors="replace")

    def start(self, *words: str, seconds_before: float = 0.0, **env: str) -> "Pod":
        """Start `ftjob worker` with those words."""
        accounts = {ENV_SECONDS_BEFORE: str(seconds_before), ENV_USD_BEFORE: "0", ENV_USD_PER_HOUR: "1.0"}
        reports = {ENV_STATUS_PORT: "0", ENV_TERMINATION_LOG: str(self.folder / "termination-log")}
        with (self.folder / "stderr").open("wb") as stderr:
            self.process = client.popen(
                [*client.FTJOB, "worker", *words],
                cwd=self.folder,
                env={**os.environ, **accounts, **reports, **env},
                stderr=stderr,
            )
        return self

    def wait(self) -> int:
        """Wait for its end and return the exit code."""
        assert self.process
        code = self.process.wait(timeout=240)
        assert "Traceback" not in self.stderr, self.stderr
        return code

    def stop(self) -> int:
        """End it as a kubelet does."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def last_words(self) -> dict[str, Any]:
        """Return its termination message."""
        data = (self.folder / "termination-log").read_bytes()
        assert len(data) <= 4096
        return dict(json.loads(data))

    def end(self) -> Progress:
        """Return its last report."""
        return Progress.parse((self.folder / "termination-log").read_bytes())

    def port(self) -> int:
        """Return its status port, as its log has it."""
        begin = time.monotonic()
        while " the status port is " not in self.stderr:
            assert time.monotonic() - begin < 120, self.stderr
            time.sleep(0.05)
        return int(self.stderr.partition(" the status port is ")[2].split()[0])

    def ask(self, port: int) -> Progress:
        """Return what it answers."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/status", timeout=60) as answer:
            return Progress.parse(answer.read())


def absolute_spec(spec: Path) -> tuple[str, str]:
    """Return the run's location and the absolute spec's YAML, as a controller knows them."""
    made = plan(spec)
    return location_of(made.spec.output, made.spec.name, made.run_id), dump_spec(made.spec)


def new_pod(folder: Path, spec: str, **owner: str) -> Pod:
    """Make a pod with a spec, for the FineTuneJob that OWNER is but for those fields."""
    folder.mkdir()
    (folder / "spec.yaml").write_text(spec)
    (folder / "owner.json").write_text(json.dumps({**OWNER, **owner}))
    return Pod(folder)


GIVEN = ("--spec", "spec.yaml", "--owner", "owner.json")
