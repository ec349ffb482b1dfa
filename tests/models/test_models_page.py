"""docs/models.md: its commands print what it shows, its Python runs."""

import dataclasses
import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ftjob.cli.app import app
from ftjob.client import registry
from ftjob.errors import FtjobError
from ftjob.models.promotion import Promotion
from tests.models.runs import a_run, digest_of_weights

PAGE = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)
VARYING = (
    (r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "MOMENT"),
    (r"(?<= )[\w.-]+@[\w.-]+(?= |$)", "PROMOTER"),
    (r"(?<= )[0-9a-f]{12}$", "DIGEST"),
    (r"\S*/runs/|(?<= )runs/", "RUNS/"),
    (r"(?<=\S) +(?=\S)|^ +", " "),
    (r" +$", ""),
)


@pytest.fixture
def two_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's runs: the second began with the weights of the first."""
    for name in ("GITHUB_ACTIONS", "GITLAB_CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)
    output = str(tmp_path / "runs")
    first = a_run(output, "77d0e1b2c3", "emotions-9k", right=0.7)
    weights = {"weights": f"{first}/bundle/weights.caffemodel", "weights_digest": digest_of_weights(first)}
    second = a_run(output, "1f3b9c02aa", "emotions", right=0.8, weights_from="alias:faces@1", **weights)
    for run in (first, second):
        registry.remember(run)


def alike(text: str) -> list[str]:
    """The lines of an output without what differs from one machine to another."""
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text, flags=re.MULTILINE)
    return text.splitlines()


@pytest.mark.usefixtures("two_stages")
def test_every_command_prints_what_the_page_shows() -> None:
    """In the order of the page."""
    commands = [each for block in BLOCKS for each in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", block, re.M)]
    assert len(commands) >= 6
    for command, shown in commands:
        words = [quoted or word for quoted, word in re.findall(r'"(.*?)"|(\S+)', command)]
        done = CliRunner().invoke(app, words[1:])
        printed = str(done.exception) if isinstance(done.exception, FtjobError) else done.output
        assert alike(printed) == alike(shown), command


@pytest.mark.usefixtures("two_stages")
def test_a_removed_alias_is_listed_on_demand() -> None:
    """With the fields of its record; those of an OUTPUT that is given, wherever it is."""

    def listed(*words: str) -> list[dict[str, object]]:
        return json.loads(CliRunner().invoke(app, ["aliases", "-o", "json", *words]).stdout)

    CliRunner().invoke(app, ["promote", "emotions", "faces"])
    assert [(each["alias"], each["number"], each["removed"]) for each in listed()] == [("faces", 1, False)]
    CliRunner().invoke(app, ["unalias", "faces"])
    assert (listed(), listed("runs")) == ([], [])
    [found] = listed("runs", "--all")
    assert (found["removed"], found["run_id"]) == (True, "1f3b9c02aa")
    assert str(found["folder"]).endswith("/runs/models/faces")


def test_every_field_of_a_record_is_explained() -> None:
    table = PAGE[PAGE.index("| Field") : PAGE.index("## From Python")]
    explained = [name for row in table.splitlines() for name in re.findall(r"`(\w+)`", row.split(" | ")[0])]

    assert explained == [field.name for field in dataclasses.fields(Promotion)]


@pytest.mark.usefixtures("two_stages")
def test_its_python_runs() -> None:
    CliRunner().invoke(app, ["promote", "emotions-9k", "faces"])
    [code] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

    exec(code, {})
    assert registry.find_run("alias:faces").endswith("emotions-9k/77d0e1b2c3")
