"""A job in a folder of its own, and the command line called there."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ftjob.runfolder.layout import RunFolder
from tests.forked import client


@dataclass(frozen=True)
class Done:
    """What a call of the command line came to."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Job:
    """A folder with a spec in it, and the command line called there."""

    folder: Path

    def write(self, **changes: dict[str, Any] | str) -> Path:
        """Write spec.yaml: a run of 30 iterations with some sections changed."""
        spec = {
            "name": "digits",
            "base": {"net": "net.prototxt"},
            "data": {
                "train": "train",
                "val": "val",
                "resize": 32,
                "crop": 28,
                "scale": 1 / 256,
                "batch_size": 8,
            },
            "solver": {"base_lr": 0.001, "max_iter": 30, "test_interval": 10, "snapshot": 10},
            "output": "runs",
        }
        for section, change in changes.items():
            spec[section] = {**spec.get(section, {}), **change} if isinstance(change, dict) else change
        path = self.folder / "spec.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        return path

    def ftjob(self, *words: str, code: int = 0) -> Done:
        """Call the command line to its end; its exit code must be `code`."""
        done = client.run([*client.FTJOB, *words], self.folder)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def submit(self, *words: str, code: int = 0) -> Done:
        """Submit spec.yaml and wait for the end."""
        return self.ftjob("submit", "spec.yaml", "--local", "--wait", "-o", "json", *words, code=code)

    def run(self) -> RunFolder:
        """Return the one run's folder."""
        [folder] = (self.folder / "runs" / "digits").iterdir()
        return RunFolder(folder)

    def status(self) -> dict[str, Any]:
        """Return the one run's status.json."""
        return dict(json.loads(self.run().status.read_text(encoding="utf-8")))
