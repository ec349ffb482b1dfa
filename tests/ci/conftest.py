"""examples/ci/retrain.sh, run by a shell with an ftjob that only answers what it is asked."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "examples" / "ci" / "retrain.sh"
ANSWERS = """\
#!/bin/sh
printf '%s\\n' "$@" '' >>"$CALLS"
case "$1 $*" in *--dry-run*) verb=dry-run ;; "status "*alias:*) verb=in-use ;; *) verb=$1 ;; esac
if [ -f "$ANSWERS/$verb" ]; then cat "$ANSWERS/$verb"; fi
if [ -f "$ANSWERS/$verb.code" ]; then exit "$(cat "$ANSWERS/$verb.code")"; fi
"""
RUN = "emotions/1f3b9c02aa"
FIRST: dict[str, Any] = {
    "submit": {"run": RUN, "started": True},
    "wait": {"best_accuracy": 0.75},
    "status": {"folder": f"s3://runs/{RUN}"},
    "in-use": {"folder": "s3://runs/emotions/0c5d21aa90"},
}
"""What ftjob prints of a run that succeeded, and of the model in use."""


@dataclass
class Pipeline:
    """A folder in which the script runs."""

    folder: Path

    def answer(self, verb: str, printed: object = None, code: int = 0) -> None:
        """Have ftjob answer a verb from now on."""
        (self.folder / "answers" / verb).write_text("" if printed is None else json.dumps(printed))
        (self.folder / "answers" / f"{verb}.code").write_text(str(code))

    def run(self, *words: str, **variables: str) -> int:
        """Run the script; return its exit code."""
        self.calls_file.unlink(missing_ok=True)
        environment = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "CALLS": str(self.calls_file),
            "ANSWERS": str(self.folder / "answers"),
            **variables,
        }
        command = ["sh", str(SCRIPT), *words]
        done = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, check=False)
        assert b"Traceback" not in done.stderr
        return done.returncode

    @property
    def calls_file(self) -> Path:
        return self.folder / "calls"

    @property
    def calls(self) -> list[list[str]]:
        """The words of each call of ftjob."""
        if not self.calls_file.exists():
            return []
        return [call.split("\n") for call in self.calls_file.read_text().removesuffix("\n\n").split("\n\n")]

    @property
    def verbs(self) -> list[str]:
        return [call[0] for call in self.calls]

    @property
    def outputs(self) -> dict[str, str]:
        lines = (self.folder / "retrain" / "outputs").read_text().splitlines()
        return dict(line.split("=", 1) for line in lines)


@pytest.fixture
def pipeline(tmp_path: Path) -> Pipeline:
    """A first run that succeeds, beside a model in use."""
    for name in ("bin", "answers"):
        (tmp_path / name).mkdir()
    program = tmp_path / "bin" / "ftjob"
    program.write_text(ANSWERS)
    program.chmod(0o755)
    made = Pipeline(tmp_path)
    for verb, printed in FIRST.items():
        made.answer(verb, printed)
    return made
