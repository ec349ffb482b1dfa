"""docs/stages.md: its spec is planned as the page shows."""

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.runfolder.records.stage_record import StageRecord
from ftjob.runfolder.status import StageResult
from jobspec import parse_spec

PAGE = (Path(__file__).parents[2] / "docs" / "stages.md").read_text(encoding="utf-8")
[SPEC] = re.findall(r"```yaml\n([^`]+)```", PAGE)
[SHOWN] = re.findall(r"```console\n\$ ftjob plan spec.yaml\n([^`]+)```", PAGE)


def test_the_plan_of_the_page_has_its_stages(
    in_faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All but its ids, which digest the images too."""
    monkeypatch.setenv("COLUMNS", "200")
    spec = SPEC.replace("output: runs", f"output: {tmp_path}").replace("faces/", f"{in_faces}/faces/")
    path = in_faces / "staged.yaml"
    path.write_text(spec)

    done = CliRunner().invoke(app, ["plan", str(path)], catch_exceptions=False)

    lines = [line for line in done.output.splitlines() if line.startswith(("emotions/", "stage "))]
    assert [_without_id(line) for line in lines] == [_without_id(line) for line in SHOWN.splitlines()]


def _without_id(line: str) -> str:
    return re.sub(r"[0-9a-f]{10}", "ID", line).strip()


def test_what_both_stages_share_is_written_once() -> None:
    """As the page says below its spec."""
    heads, whole = parse_spec(SPEC, "spec.yaml").stage_specs()

    assert heads.data.val == whole.data.val == "faces/val"
    assert heads.budget.usd == pytest.approx(3.2)


def test_the_records_have_the_fields_of_the_page() -> None:
    """Each of them, and no other."""
    table = re.findall(r"^\| (`[^|]+`) \|", PAGE, re.MULTILINE)
    fields = [name for row in table for name in re.findall(r"`(\w+)`", row)]
    [results] = re.findall(r"`stage_results` in `status.json` has all stages: ([^.]+)\.", PAGE)

    assert fields == list(StageRecord.__dataclass_fields__)
    named = re.findall(r"`(\w+)`", results)
    assert named == list(StageResult.__dataclass_fields__)
