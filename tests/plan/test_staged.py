"""Plans of runs with stages: each begins with what the one before it will have made."""

from pathlib import Path
from typing import Any

import pytest

from ftjob import api
from ftjob.cluster.resource.figures import figures_of
from ftjob.errors import BadNetError, FtjobError
from ftjob.plan.plan import Plan
from ftjob.plan.plan_json import document_of
from ftjob.plan.shortfall import shortfall_of
from jobspec import JobSpec
from tests.dataset.images import dataset, photo, raw

FEW, MANY = (0, 1, 2), (0, 1, 2, 3, 4)
SHORT: dict[str, Any] = {"solver": {"max_iter": 4}}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two datasets of three classes and one of five."""
    folder = tmp_path_factory.mktemp("stages")
    for name, labels in (("few", FEW), ("more", FEW), ("many", MANY)):
        for split, first in (("train", 0), ("val", 100)):
            pictures = [
                raw(label, photo(first + at + len(name), 40, 40)) for at, label in enumerate(labels * 2)
            ]
            dataset(folder / f"{name}-{split}", pictures)
    return folder


def images(data: Path, name: str) -> dict[str, str]:
    """The data section of a dataset."""
    return {"train": str(data / f"{name}-train"), "val": str(data / f"{name}-val")}


def planned(data: Path, *stages: dict[str, Any], **sections: Any) -> Plan:
    """The plan of LeNet with these stages."""
    spec = {
        "name": "digits",
        "base": {"net": "lenet"},
        "data": {**images(data, "few"), "batch_size": 2},
        "solver": {"max_iter": 10},
        "output": str(data / "runs"),
        **sections,
    }
    return api.plan(
        JobSpec.model_validate({**spec, **({"stages": list(stages)} if stages else {})}), to_train=False
    )


def ids(plan: Plan) -> list[str]:
    """The ids of a plan's stages."""
    return [stage.run_id for stage in plan.stages]


def kinds(plan: Plan) -> dict[str, str]:
    """What becomes of the layers of a plan's net."""
    return {row.layer: row.kind for row in plan.transfer if row.kind != "unused"}


def test_the_first_stage_is_the_run_without_the_others(data: Path) -> None:
    """It has the same id and the same nets, so a run's first stage is what it would be alone."""
    alone, staged = planned(data), planned(data, {}, SHORT)

    assert alone.stages == ()
    assert staged.stages[0].run_id == alone.run_id
    assert staged.stages[0].train_val == alone.train_val
    assert staged.run_id == staged.stages[-1].run_id != alone.run_id


def test_ids_are_a_chain(data: Path) -> None:
    """A changed stage changes those after it, and none before it; money and guards change none."""
    before = ids(planned(data, {}, SHORT, SHORT))

    assert ids(planned(data, {}, SHORT, {"solver": {"max_iter": 5}}))[:2] == before[:2]
    first = ids(planned(data, {"solver": {"base_lr": 0.1}}, SHORT, SHORT))
    assert not set(first) & set(before)
    free = planned(data, {"guards": {"patience": 3}}, {**SHORT, "budget": "50%"}, SHORT, budget={"usd": 9.0})
    assert ids(free) == before
    assert len({*before, *first}) == 6


def test_other_classes_make_new_heads_and_the_same_ones_keep_them(data: Path) -> None:
    """A kept head is trained further from what it learned; everything else is taken over in any case."""
    plan = planned(data, {}, {"data": images(data, "more")}, {"data": images(data, "many")})
    first, kept, new = plan.stages

    assert set(kinds(first).values()) == {"new"}
    assert set(kinds(kept).values()) == {"copied"}
    assert kinds(kept).keys() == kinds(first).keys()
    assert {layer for layer, kind in kinds(new).items() if kind == "new"} == {"ip2_digits-3"}
    assert [len(stage.labels) for stage in plan.stages] == [3, 3, 5]
    assert new.heads[0].num_output == 5
    assert new.main_head.source == "ip2"


def test_new_heads_can_be_asked_for(data: Path) -> None:
    """For other classes that only look the same, by their number; it is another run."""
    kept = planned(data, {}, {"data": images(data, "more")})
    new = planned(data, {}, {"data": images(data, "more"), "surgery": {"heads": "auto"}})

    assert kinds(new)["ip2_digits-2"] == "new"
    assert new.run_id != kept.run_id


def test_what_was_learned_again_is_not_again(data: Path) -> None:
    """`relearn` is for its own stage; the next takes the layer over, by the name that it got."""
    once, then = planned(data, {"surgery": {"relearn": ["conv2"]}}, SHORT).stages
    twice = planned(data, {"surgery": {"relearn": ["conv2"]}}, {"surgery": {"relearn": ["conv2"]}})

    assert kinds(once)["conv2_digits"] == "new"
    assert kinds(then)["conv2_digits"] == "copied"
    assert kinds(twice)["conv2_digits-2"] == "new"


def test_a_stage_may_freeze_what_the_one_before_trained(data: Path) -> None:
    """And the other way round: no rate of the stage before stays in the net. A layer is called as in the base
    net, whatever name it has by now."""
    assert planned(data, {}, {"surgery": {"freeze": {"layers": ["ip2"]}}}).frozen == ("ip2_digits",)
    plan = planned(data, {}, {"surgery": {"freeze": {"up_to": "conv2"}}}, {"surgery": {"freeze": "none"}})
    trained, frozen, again = plan.stages

    assert [len(stage.frozen) for stage in plan.stages] == [0, 2, 0]
    assert kinds(frozen)["conv2"] == "frozen"
    assert again.train_val == trained.train_val


@pytest.mark.parametrize(
    ("surgery", "sentence"),
    [
        (
            {"freeze": {"layers": ["conv9"]}},
            "stages[1]: surgery.freeze.layers: no layer matches conv9; did you mean conv",
        ),
        (
            {"relearn": ["conv9"]},
            "stages[1]: surgery.relearn: no layer with weights matches conv9; did you mean",
        ),
        (
            {"heads": ["conv2"]},
            "stages[1]: surgery.heads: layer conv2 is no classifier; the net's heads are ip2",
        ),
        (
            {"freeze": {"up_to": "ip2"}, "heads": "auto"},
            "stages[1]: surgery.freeze: ip2_digits-2 is a new layer",
        ),
    ],
)
def test_a_stage_that_names_what_is_not_there_is_refused(
    data: Path, surgery: dict[str, Any], sentence: str
) -> None:
    """In one sentence that begins with the stage."""
    with pytest.raises(BadNetError) as error:
        planned(data, {}, {"surgery": surgery})

    assert str(error.value).startswith(sentence)
    assert "\n" not in str(error.value)


def test_data_that_a_stage_cannot_use_is_its_own_problem(data: Path) -> None:
    """Here its validation images have classes that its training images lack."""
    with pytest.raises(FtjobError, match=r"^stages\[1\]: "):
        planned(data, {}, {"data": {"val": str(data / "many-val")}})


def test_the_totals_are_of_all_stages(data: Path) -> None:
    """Time and money add up, the node starts once, and memory is the largest stage's."""
    plan = planned(data, {}, SHORT, {**SHORT, "data": {"batch_size": 6}}, resources={"node": "p2.xlarge"})
    document = document_of(plan, "")

    assert sum(stage.usd for stage in document.stages) == pytest.approx(plan.cost.usd)
    assert sum(stage.seconds for stage in document.stages) == pytest.approx(plan.cost.total_seconds)
    assert document.cost.usd == plan.cost.usd > plan.forecast.cost.usd
    assert [stage.max_iter for stage in document.stages] == [10, 4, 4]
    assert [stage.name for stage in document.stages] == ["1", "2", "3"]
    figures = figures_of(plan)
    assert figures.max_iter == 18
    assert figures.memory_bytes == max(stage.memory or 0 for stage in document.stages)


@pytest.mark.parametrize(
    ("spot", "budget", "worst"),
    [
        (False, {"hours": 2}, 1.80),
        (True, {"hours": 2}, 0.54),
        ("prefer", {"hours": 2}, 1.80),
        ("prefer", {"hours": 2, "usd": 1.0}, 1.0),
    ],
)
def test_the_worst_case_of_all_stages_is_the_budget(
    data: Path, spot: bool | str, budget: dict[str, float], worst: float
) -> None:
    """Hours count at the highest price that may be paid, as for a run without stages."""
    on = {"resources": {"node": "p2.xlarge", "spot": spot}, "budget": budget}
    cost = planned(data, {}, SHORT, **on).cost

    assert cost.worst_usd == planned(data, **on).cost.worst_usd == pytest.approx(worst)


def test_a_budget_that_is_too_small_is_named(data: Path) -> None:
    """The run's, or the share of a stage."""
    on = {"resources": {"node": "p2.xlarge"}}
    long = {"solver": {"max_iter": 5_000_000, "snapshot": 100}}
    cost = planned(data, long, SHORT, **on).cost.usd

    poor = planned(data, long, SHORT, budget={"usd": cost * 0.9}, **on)
    assert shortfall_of(poor).startswith("budget.usd: ")
    assert "of all 2 stages on p2.xlarge" in shortfall_of(poor)
    uneven = planned(data, {**long, "budget": "50%"}, SHORT, budget={"usd": cost * 1.5}, **on)
    assert shortfall_of(uneven).startswith("stages[0].budget: ")
    assert not planned(data, long, SHORT, budget={"usd": cost * 1.5}, **on).stages[0].problems
    assert shortfall_of(planned(data, long, SHORT, budget={"usd": cost * 1.5}, **on)) == ""
