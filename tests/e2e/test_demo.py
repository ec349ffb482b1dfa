"""The README's first command, run to its end."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.caffe

ROOT = Path(__file__).parents[2]


@pytest.mark.torch  # not for training: where PyTorch is hidden, SciPy stumbles over the gap
def test_the_demo_ends_well_and_shows_what_fine_tuning_is_for(tmp_path: Path):
    """At equal iterations the fine-tuned net beats the one from scratch, and its bundle is verified. The run
    with the frozen trunk does not train the first stage again."""
    words = [sys.executable, "-m", "examples.digits.demo", str(tmp_path)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    [(scratch, _)], tuned = (results(tmp_path, name) for name in ("scratch", "finetuned"))
    [finetuned] = [accuracy for accuracy, stages in tuned if not stages[0]["reused_from"]]
    [copied] = [stages[0] for _, stages in tuned if stages[0]["reused_from"]]
    assert finetuned > scratch + 0.1
    assert copied["seconds"] == 0
    assert re.search(r"(\d+) of \1 golden images answered the same", done.stdout)
    assert (tmp_path / "curves.png").stat().st_size > 0
    [report] = re.findall(r"^report +(\S+)$", done.stdout, re.MULTILINE)
    assert "finetuned" in (ROOT / report).read_text(encoding="utf-8")


def results(folder: Path, name: str) -> list[tuple[float, list[dict[str, Any]]]]:
    """What each run of a name came to: its accuracy, and its stages."""
    found = [path.parent for path in (folder / "runs" / name).glob("*/evaluation.json")]
    return [
        (read(run / "evaluation.json")["accuracy"], read(run / "status.json")["stage_results"])
        for run in found
    ]


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))
