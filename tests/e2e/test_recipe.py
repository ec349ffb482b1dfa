"""docs/sweeps.md: two training sets and two ways of freezing as one spec, on digits and with real Caffe."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from examples.digits.recipe import SPEC, write_recipe
from jobspec import load_spec, parse_spec
from tests.e2e.jobs import Job

pytestmark = [pytest.mark.caffe, pytest.mark.torch]  # SciPy, for the digits, needs PyTorch whole

PAGE = (Path(__file__).parents[2] / "docs" / "sweeps.md").read_text(encoding="utf-8")
[SECTION] = re.findall(r"^## Stages$(.+?)^## ", PAGE, re.MULTILINE | re.DOTALL)


def test_the_pages_spec_is_the_recipe() -> None:
    """Written shorter."""
    [text] = re.findall(r"```yaml\n([^`]+)```", SECTION)

    assert parse_spec(text, "docs/sweeps.md") == load_spec(SPEC)


def test_the_recipe_trains_its_first_stage_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One member trains it while the other waits, and then copies it to the bit for $0; both stay within the
    one budget, and what each paid is what its stages took. The comparison is that of the page."""
    monkeypatch.setenv("COLUMNS", "150")
    write_recipe(tmp_path)
    job = Job(tmp_path)

    planned = job.ftjob("plan", "spec.yaml", "-o", "json").json()
    ended = job.submit().json()
    compared = job.ftjob("compare", "--sweep", "digits").out
    job.ftjob("compare", "--sweep", "digits", "-o", "html")

    trained, copied = (status_of(tmp_path, each["name"]) for each in planned["members"])
    assert ended["state"] == trained["state"] == copied["state"] == "Succeeded"
    assert [each["stages_copied"] for each in planned["members"]] == [0, 1]
    few, again = trained["stage_results"][0], copied["stage_results"][0]
    assert (few["run_id"], few["reused_from"]) == (again["run_id"], "")
    assert again["reused_from"] == f"{trained['name']}/{trained['run_id']}"
    assert (again["seconds"], again["usd"], again["accuracy"]) == (0, 0, few["accuracy"])
    assert len({path.read_bytes() for path in first_results(tmp_path)}) == 1
    for status in (trained, copied):
        paid = sum(each["seconds"] for each in status["stage_results"])
        assert paid == pytest.approx(status["seconds"], abs=0.01)
    assert trained["seconds"] + copied["seconds"] <= 0.5 * 3600
    assert ended["seconds"] == pytest.approx(trained["seconds"] + copied["seconds"], abs=0.01)
    [shown] = re.findall(r"compare --sweep digits\n([^`]+)```", SECTION)
    assert columns_of(compared)[: len(columns_of(shown))] == columns_of(shown)
    page = (tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert all(each["name"] in page for each in planned["members"])
    assert "stages[1].surgery.freeze" in page


def status_of(folder: Path, name: str) -> dict[str, Any]:
    """The status of the one run of a name."""
    [path] = (folder / "runs" / name).glob("*/status.json")
    return dict(json.loads(path.read_text(encoding="utf-8")))


def first_results(folder: Path) -> list[Path]:
    """The best caffemodels of the members' first stages."""
    records = (folder / "runs").glob("digits-*/*/stages/*/stage.json")
    found = [(path.parent, json.loads(path.read_text(encoding="utf-8"))["snapshot"]) for path in records]
    assert len(found) == 2
    return [stage / "snapshots" / f"iter_{snapshot}.caffemodel" for stage, snapshot in found]


def columns_of(text: str) -> list[list[str]]:
    """The words of each line without its figures and letters; the two members in one order, as either may
    turn out to be the better one."""
    lines = [re.sub(r"[0-9.:]+%?|sweep-\w+|^[ab] ", " ", line).split() for line in text.splitlines()]
    head, table = [lines[0][:2]], lines[1:]
    return [*head, *table[:1], *sorted(table[1:3])]
