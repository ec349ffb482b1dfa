"""Laws of stages: each is a part of a spec, laid over the stage before it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobspec import JobSpec, SpecError, dump_spec, parse_spec
from jobspec.spec import Accept, Budget
from tests.jobspec.conftest import LEAST

SPEC = parse_spec(LEAST, "spec.yaml").model_dump(mode="json", exclude_none=True)
PARTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "data": {
        "train": st.sampled_from(["more", "s3://bucket/most"]),
        "val": st.sampled_from(["val2", "val3"]),
        "val_split": st.sampled_from([0.1, 0.5]),
        "batch_size": st.integers(1, 64),
        "mirror": st.booleans(),
    },
    "surgery": {"freeze": st.sampled_from(["none", {"up_to": "conv2"}]), "relearn": st.just(["ip1"])},
    "solver": {
        "base_lr": st.sampled_from([0.1, 0.01]),
        "type": st.sampled_from(["SGD", "AdaGrad", "Adam"]),
        "lr_policy": st.sampled_from(["fixed", "step", "poly"]),
        "epochs": st.sampled_from([1.5, 3.0]),
        "max_iter": st.integers(1, 100),
    },
    "guards": {"patience": st.integers(1, 9), "diverged": st.booleans()},
}
EXCLUDE = ({"val", "val_split"}, {"epochs", "max_iter"})


def _part(fields: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[dict[str, Any]]:
    parts = st.fixed_dictionaries({}, optional=fields)
    return parts.filter(lambda part: not any(both <= part.keys() for both in EXCLUDE))


stages = st.fixed_dictionaries({}, optional={name: _part(fields) for name, fields in PARTS.items()})


def staged(*parts: dict[str, Any], **fields: Any) -> JobSpec:
    """A spec with these stages."""
    return JobSpec.model_validate({**SPEC, **fields, "stages": list(parts)})


@given(stages, stages)
def test_a_stage_without_changes_is_the_stage_before(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Wherever it stands; only what it asks to be learned again is for one stage alone."""
    alone = staged(first, second).stage_specs()
    with_nothing = staged(first, {}, second).stage_specs()

    assert with_nothing[0] == alone[0]
    assert with_nothing[2] == alone[1]
    relearned = alone[0].surgery.model_copy(update={"relearn": []})
    assert with_nothing[1] == alone[0].model_copy(update={"surgery": relearned})


@given(stages, stages)
def test_the_later_stage_wins(first: dict[str, Any], second: dict[str, Any]) -> None:
    """Every value that it gives is its own; all others are those before, or the default of what replaced
    them."""
    _, last = staged(first, second).stage_specs()

    values = last.model_dump(mode="json")
    for section, part in second.items():
        assert {name: values[section][name] for name in part} == part
    if not second:
        assert last.solver == staged(first, {}).stage_specs()[0].solver
    assert (last.data.val is None) != (last.data.val_split is None)
    assert last.solver.epochs is None or last.solver.max_iter is None
    assert last.solver.momentum == (0.0 if last.solver.type == "AdaGrad" else 0.9)


@given(stages, stages)
def test_a_stage_is_a_valid_spec_and_the_text_keeps_it(first: dict[str, Any], second: dict[str, Any]) -> None:
    """What is written into a run's folder, with all defaults, has the very stages that were submitted."""
    spec = staged(first, second)

    assert parse_spec(dump_spec(spec), "written").stage_specs() == spec.stage_specs()
    for each in spec.stage_specs():
        assert JobSpec.model_validate(each.model_dump(mode="json", exclude_none=True)) == each


def test_a_spec_without_stages_is_its_only_stage() -> None:
    """And keeps its identity: there is no trace of stages in it."""
    spec = parse_spec(LEAST, "spec.yaml")

    assert spec.stage_specs() == (spec,)
    assert "stages" not in spec.canonical()
    assert "stages" not in dump_spec(spec)


def test_a_stage_has_its_share_and_only_the_last_is_judged() -> None:
    """The shares are of the budget as a whole."""
    budget = {"usd": 10.0, "hours": 5.0}
    first, second, third = staged(
        {"budget": "40%"}, {}, {"budget": "60%"}, budget=budget, accept={"accuracy": 0.9}
    ).stage_specs()

    assert first.budget == Budget(usd=4.0, hours=2.0)
    assert second.budget == Budget(usd=10.0, hours=5.0)
    assert third.budget == Budget(usd=6.0, hours=3.0)
    assert first.accept == second.accept == Accept()
    assert third.accept == Accept(accuracy=0.9)


@pytest.mark.parametrize(
    ("stage", "sentence"),
    [
        ("solver: {base_lr: -1}", "12: stages[1].solver.base_lr: must be greater than 0, got -1"),
        (
            "solver: {lr: 1}",
            "12: stages[1].solver.lr: is not a field of stages[1].solver; did you mean base_lr?",
        ),
        (
            "solver: {lr_policy: exp}",
            "12: stages[1].solver.gamma: is missing; lr_policy exp needs one of its own, such as 0.9999",
        ),
        (
            "solver: {epochs: 1, max_iter: 2}",
            "12: stages[1].solver: give epochs or max_iter, not both",
        ),
        (
            "data: {crop: 300}",
            "12: stages[1].data.crop: must be 200 or less, the size of the resized images, got 300",
        ),
        (
            "resources: {node: local}",
            "12: stages[1].resources: is not a field of stages[1]; write it as resources",
        ),
        ("base: {net: lenet}", "12: stages[1].base: is not a field of stages[1]; write it as base"),
        ("name: one", "12: stages[1].name: is the name of stages[0] too; give every stage its own"),
        (
            "budget: 40%",
            "12: stages[1].budget: is a share of budget, which has neither usd nor hours; give one of them, or "
            "remove this",
        ),
        ("budget: 3", "12: stages[1].budget: must be a share of the budget above 0%, such as 40%, got 3"),
    ],
)
def test_what_is_wrong_with_a_stage_is_named_there(stage: str, sentence: str) -> None:
    """By its field and line, as in the sections above it."""
    text = f"""name: faces
base:
  net: lenet
data:
  train: a
  val: b
  resize: 200
output: runs
stages:
  - name: one
    solver: {{epochs: 1}}
  - {stage}
"""
    with pytest.raises(SpecError) as error:
        parse_spec(text, "spec.yaml")

    assert str(error.value) == f"spec.yaml:{sentence}"


@pytest.mark.parametrize(
    ("budget", "written", "sentence"),
    [
        (
            "{usd: 3}",
            "[{budget: 60%}, {budget: 60%}]",
            "is one of shares that add up to 120%; lower them to 100%",
        ),
        ("{usd: 3}", "[{}]", "must have at least 2 entries, got [{}]"),
        ("{usd: 3}", f"[{', '.join(['{}'] * 11)}]", "must have at most 10 entries"),
        ("{usd: 3}", "2", "must be a list, such as [a, b], got 2"),
    ],
)
def test_a_wrong_list_of_stages_is_refused(budget: str, written: str, sentence: str) -> None:
    """With what is wrong with it."""
    text = f"{LEAST}\nbudget: {budget}\nstages: {written}\n"

    with pytest.raises(SpecError) as error:
        parse_spec(text, "spec.yaml")

    assert sentence in str(error.value)


def test_a_run_needs_the_gpus_of_its_widest_stage() -> None:
    """One pod trains all of them."""
    assert staged({}, {"solver": {"gpus": 4}}, {"solver": {"gpus": 2}}).gpus == 4
    assert parse_spec(LEAST, "spec.yaml").gpus == 1
