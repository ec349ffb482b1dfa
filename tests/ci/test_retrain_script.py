"""Laws of examples/ci/retrain.sh: what it asks of ftjob, in which order, and with what it exits."""

import json
from pathlib import Path

import pytest

from jobspec import parse_spec
from tests.ci.conftest import RUN, Pipeline

ALIAS = "alias:s3://runs/models/faces"
PROMOTING = {"RETRAIN_ALIAS": "faces", "RETRAIN_PROMOTE": "true"}


def test_it_submits_compares_and_then_promotes(pipeline: Pipeline) -> None:
    """The comment is held against the model in use before that is replaced."""
    assert pipeline.run("spec.yaml", "--local", **PROMOTING) == 0

    assert pipeline.verbs == ["submit", "watch", "wait", "status", "status", "report", "promote"]
    submit, report, promote = (pipeline.calls[place] for place in (0, 5, 6))
    assert submit == ["submit", "--yes", "-o", "json", "--local", "--", "spec.yaml"]
    assert report == ["report", "--format", "md", f"--against={ALIAS}", "--", RUN]
    assert promote == ["promote", "--", RUN, "faces"]
    assert pipeline.outputs == {"run": RUN, "accuracy": "0.75", "promoted": "true", "exit_code": "0"}


def test_without_promote_the_alias_stays(pipeline: Pipeline) -> None:
    assert pipeline.run("spec.yaml", "--local", RETRAIN_ALIAS="faces") == 0
    assert "promote" not in pipeline.verbs
    assert pipeline.outputs["promoted"] == "false"


def test_a_run_that_is_not_accepted_is_red_and_commented(pipeline: Pipeline) -> None:
    """Its exit code is ftjob's, the alias stays."""
    pipeline.answer("wait", {"best_accuracy": 0.5}, code=11)

    assert pipeline.run("spec.yaml", "--local", **PROMOTING) == 11
    assert pipeline.verbs[-1] == "report"
    assert pipeline.outputs == {"run": RUN, "accuracy": "0.5", "promoted": "false", "exit_code": "11"}


@pytest.mark.parametrize(("verb", "code"), [("submit", 4), ("watch", 5), ("report", 5), ("promote", 5)])
def test_what_fails_is_red(pipeline: Pipeline, verb: str, code: int) -> None:
    """A promotion that was lost, a comment that cannot be made, a spec that is refused."""
    pipeline.answer(verb, code=code)

    assert pipeline.run("spec.yaml", "--local", **PROMOTING) == code
    assert pipeline.verbs[-1] == verb
    assert (pipeline.outputs["promoted"], pipeline.outputs["exit_code"]) == ("false", str(code))


@pytest.mark.parametrize(
    ("in_use", "code"), [({"folder": f"s3://runs/{RUN}"}, 0), (None, 2)], ids=["this run", "nothing"]
)
def test_there_may_be_nothing_to_compare_with(pipeline: Pipeline, in_use: object, code: int) -> None:
    """Before the first promotion, and when an unchanged spec is submitted again."""
    pipeline.answer("in-use", in_use, code)

    assert pipeline.run("spec.yaml", "--local", **PROMOTING) == 0
    assert ["report", "--format", "md", "--", RUN] in pipeline.calls


def test_an_alias_that_cannot_be_read_is_red(pipeline: Pipeline) -> None:
    pipeline.answer("in-use", code=5)

    assert pipeline.run("spec.yaml", "--local", **PROMOTING) == 5
    assert pipeline.verbs[-1] == "status"


@pytest.mark.parametrize(
    "variables",
    [
        {"RETRAIN_PROMOTE": "true"},
        {"RETRAIN_PROMOTE": "yes", "RETRAIN_ALIAS": "faces"},
        {"RETRAIN_ALIAS": "../faces"},
        {"RETRAIN_ALIAS": "--force"},
    ],
)
def test_wrong_variables_are_refused_before_anything_is_paid_for(
    pipeline: Pipeline, variables: dict[str, str]
) -> None:
    assert pipeline.run("spec.yaml", **variables) == 2
    assert pipeline.calls == []


def test_on_a_cluster_the_run_is_named_after_its_id(pipeline: Pipeline) -> None:
    """So that changed data is another FineTuneJob; the spec that is sent is the object's."""
    sections = {
        "base": {"net": "lenet"},
        "data": {"train": "s3://data/train", "val": "s3://data/val"},
        "output": "s3://runs",
    }
    plan = json.dumps({"runId": "1f3b9c02aa"})
    metadata = {"name": "emotions", "annotations": {"ftjob.dev/plan": plan}}
    pipeline.answer("dry-run", {"metadata": metadata, "spec": sections})

    assert pipeline.run("spec.yaml", "-n", "ftjob") == 0
    assert pipeline.calls[0] == ["submit", "--dry-run", "-o", "json", "-n", "ftjob", "--", "spec.yaml"]
    sent = Path(pipeline.calls[1][-1])
    assert sent == pipeline.folder / "retrain" / "spec.yaml"
    assert parse_spec(sent.read_text(), "spec.yaml").name == "emotions-1f3b9c02"


def test_hostile_names_stay_words(pipeline: Pipeline) -> None:
    """Nothing in them is run, split or taken for an option."""
    spec, against = "-o $(touch hurt); *.yaml", "--to=$(touch hurt) `touch hurt`"

    assert pipeline.run(spec, "--local", RETRAIN_AGAINST=against) == 0
    assert pipeline.calls[0][-2:] == ["--", spec]
    assert f"--against={against}" in pipeline.calls[-1]
    assert not (pipeline.folder / "hurt").exists()


def test_github_gets_the_outputs(pipeline: Pipeline) -> None:
    """After those of other steps."""
    file = pipeline.folder / "github"
    file.write_text("mine=1\n")

    pipeline.run("spec.yaml", "--local", GITHUB_OUTPUT=str(file))
    assert file.read_text() == "mine=1\n" + (pipeline.folder / "retrain" / "outputs").read_text()
