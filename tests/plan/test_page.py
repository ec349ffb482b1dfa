"""docs/plan.md says what the program does: every mistake, every field, every line shown."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from ftjob import api
from ftjob.cli.view.plan import explanation, plan_view
from ftjob.errors import FtjobError
from ftjob.prepare import calibration
from ftjob.runfolder.records.plan import plan_text
from jobspec import JobSpec
from tests.plan.specs import PAGE, changed, document, plan

MISTAKES = re.findall(r"```yaml\n([^`]+)```\n\n```text\n([^`]+)\n```", PAGE)
CONSOLES = dict(re.findall(r"```console\n\$ ftjob ([^\n]+)\n(.+?)\n```", PAGE, re.DOTALL))
WHOLE = {"node", "renamed", "train.histogram", "val.histogram"}
"""Fields whose own fields are a net's, the data's, or documented elsewhere."""


@pytest.mark.slow
@pytest.mark.parametrize(("changes", "sentence"), MISTAKES, ids=[sentence[:40] for _, sentence in MISTAKES])
def test_every_mistake_is_caught_with_the_sentence_shown(in_faces: Path, changes: str, sentence: str) -> None:
    """As an error, or in the plan as what would fail (✗) or is probably not meant (!)."""
    assert sentences_of(changed(yaml.safe_load(changes))) == [sentence]


def sentences_of(spec: JobSpec) -> list[str]:
    """The sentences with which a spec is refused, or what its plan says besides its figures; paths as they
    are written in the spec."""
    try:
        made = api.plan(spec, to_train=False)
    except FtjobError as error:
        return relative(str(error)).splitlines()
    words = [*(f"✗ {each}" for each in made.problems), *(f"! {each}" for each in document(made).warnings)]
    return list(map(relative, words))


def relative(words: str) -> str:
    return words.replace(f"{Path.cwd()}/", "")


def test_the_page_has_mistakes_to_show() -> None:
    """The pattern that finds them still does."""
    assert len(MISTAKES) >= 8


def shown(view: Any) -> list[str]:
    console = Console(width=100, record=True, quiet=True)
    with console.capture() as capture:
        console.quiet = False
        console.print(view)
    return [line.rstrip() for line in capture.get().splitlines()]


def test_the_plan_shown_is_what_is_printed(in_faces: Path) -> None:
    """Line by line up to the dots, whatever the run's id."""
    lines = CONSOLES["plan emotions.yaml"].splitlines()
    printed = shown(plan_view(plan(), "", every_layer=False))

    assert len(lines) > 6
    assert lines[-1] == "..."
    assert [re.sub(r"/\w{10} ", "/ID ", line) for line in printed[: len(lines) - 1]] == [
        re.sub(r"/\w{10} ", "/ID ", line) for line in lines[:-1]
    ]


def test_the_explanation_shown_is_what_is_printed(tmp_path: Path) -> None:
    """For a log in which the loss is NaN at iteration 5."""
    log = tmp_path / "train.log"
    stamp = "I1122 00:23:56.773487  8924 solver.cpp:239]"
    log.write_text(
        f"{stamp} Initializing solver from parameters: \nbase_lr: 30\n{stamp} Solving\n"
        f"{stamp} Iteration 5 (61 iter/s, 0.08s/5 iters), loss = nan\n"
        f"{stamp}     Train net output #0: loss = nan (* 1 = nan loss)\n"
    )

    assert shown(explanation(api.explain(str(log)))) == CONSOLES["plan --explain train.log"].splitlines()


def test_what_the_page_on_cost_shows_is_on_this_one() -> None:
    """The warning of a budget that does not pay is the one that is held to the program here."""
    page = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
    shown = re.findall(r"^! .+$", page, re.M)

    assert shown
    assert set(shown) <= set(PAGE.splitlines())


def fields(value: Any, name: str = "") -> Iterator[str]:
    """The dotted names of a document's leaves; [] stands for every item of a list of objects."""
    if isinstance(value, dict) and name not in WHOLE:
        for key, inner in value.items():
            yield from fields(inner, f"{name}.{key}" if name else key)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for inner in value:
            yield from fields(inner, f"{name}[]")
    else:
        yield name


def test_every_field_is_on_the_page_and_no_other(in_faces: Path, in_a_pod: None, tmp_path: Path) -> None:
    """The table is the documentation of -o json; a plan that does not fit has the suggestion too, one of
    what was run before the measured speed."""
    tight = {
        "data": {"batch_size": 400},
        "surgery": {"freeze": {"up_to": "inception_5b"}},
        "output": str(tmp_path),
    }
    calibration.remember(plan(**tight), 0.1, 0.1, "0123456789", 0.0)
    table = PAGE[PAGE.index("## JSON") :]
    listed = [
        name for row in re.findall(r"^\| (`[^|]+) \|", table, re.M) for name in re.findall(r"`(\S+)`", row)
    ]

    assert set(listed) == set(fields(json.loads(plan_text(document(plan(**tight))))))
    assert len(listed) == len(set(listed))


def test_every_field_of_an_explanation_is_named() -> None:
    """Those of --explain -o json stand in one sentence."""
    from ftjob.plan.diagnosis.explain import Explanation

    [sentence] = re.findall(r"With `-o json`: ([^.]+)\.", PAGE)

    assert set(re.findall(r"`(\w+)`", sentence)) == set(Explanation("").to_json())
