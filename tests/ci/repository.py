"""A repository with a spec, and the builds of its pipeline: examples/ci/retrain.sh with the real ftjob."""

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.ci.conftest import SCRIPT
from tests.forked import client

ALIAS = "digits"
SPEC: dict[str, Any] = {
    "name": "digits",
    "base": {"net": "lenet"},
    "data": {
        "train": "train",
        "val": "val",
        "resize": 32,
        "crop": 28,
        "scale": 1 / 256,
        "batch_size": 16,
    },
    "solver": {
        "base_lr": 0.01,
        "lr_policy": "fixed",
        "max_iter": 60,
        "test_interval": 60,
        "snapshot": 60,
    },
    "engine": "caffe",
    "output": "runs",
}
FEW, MANY, OTHERS = slice(3), slice(100), slice(100, 130)
"""Images of each digit: to begin with, some time later, and to evaluate both."""
FROM_THE_FIRST = {"weights": f"alias:{ALIAS}@1"}
BETTER = {"not_below": f"alias:{ALIAS}"}


@dataclass(frozen=True)
class Build:
    """What one build of the pipeline left."""

    code: int
    outputs: dict[str, str]
    submitted: dict[str, Any]
    """What `ftjob submit` printed."""
    comment: str
    log: str


@dataclass(frozen=True)
class Repository:
    """A folder with a spec, whose builds take a model to `ftjob submit` with some options."""

    folder: Path
    options: tuple[str, ...] = ("--local",)
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))

    def __post_init__(self) -> None:
        program = self.folder / "bin" / "ftjob"
        program.parent.mkdir()
        program.write_text(client.script(client.FTJOB))
        program.chmod(0o755)

    def write(self, **changes: Any) -> None:
        """Write spec.yaml: SPEC with some sections laid over it."""
        spec = dict(SPEC)
        for section, change in changes.items():
            spec[section] = {**spec.get(section, {}), **change} if isinstance(change, dict) else change
        (self.folder / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")

    def build(self) -> Build:
        """Have the pipeline run to its end."""
        return self.finished(self.begin())

    def begin(self, name: str = "build") -> "subprocess.Popen[str]":
        """Begin a build, which leaves its files in a folder of that name."""
        return subprocess.Popen(
            ["sh", str(SCRIPT), "spec.yaml", *self.options],
            cwd=self.folder,
            env={
                **self.environment,
                "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
                "RETRAIN_ALIAS": ALIAS,
                "RETRAIN_PROMOTE": "true",
                "RETRAIN_FOLDER": name,
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finished(self, build: "subprocess.Popen[str]", name: str = "build") -> Build:
        """Return what a build left, once it has ended."""
        log, _ = build.communicate()
        left = self.folder / name
        outputs = dict(line.split("=", 1) for line in (left / "outputs").read_text().splitlines())
        assert outputs["exit_code"] == str(build.returncode), log
        submitted = json.loads((left / "submitted.json").read_text() or "null")
        return Build(build.returncode, outputs, submitted, (left / "comment.md").read_text(), log)

    def ftjob(self, *words: str) -> Any:
        """Return what ftjob prints as JSON."""
        command = [str(self.folder / "bin" / "ftjob"), *words, "-o", "json"]
        environment = {**self.environment, "PATH": os.environ["PATH"]}
        printed = subprocess.run(
            command, cwd=self.folder, env=environment, stdout=subprocess.PIPE, check=True
        )
        return json.loads(printed.stdout)

    def promoted(self, output: str = "runs") -> list[str]:
        """Return the runs that the alias has pointed to, oldest first, as its history has them."""
        history = self.ftjob("history", f"{output}/models/{ALIAS}")
        return [f"{each['name']}/{each['run_id']}" for each in reversed(history)]


def exchange_labels(train: Path) -> None:
    """Take 0 for 1, 2 for 3 and so on, as somebody does who mixes up folders."""
    for even in range(0, 10, 2):
        here, there, aside = train / str(even), train / str(even + 1), train / "aside"
        here.rename(aside)
        there.rename(here)
        aside.rename(there)
