"""A sweep's plan: every member planned, what they share read once, paths among the values made absolute."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ftjob.errors import BadSpecError
from ftjob.nodes.profiles import get_node
from ftjob.prepare import prepare, sweep_plan
from ftjob.prepare.prepare import Context
from jobspec.spec import JobSpec


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Folders of images of two classes, to train and to test on."""
    noise = np.random.default_rng(0)
    for part in ("train", "val", "other"):
        for label in ("cat", "dog"):
            folder = tmp_path / part / label
            folder.mkdir(parents=True)
            for number in range(3):
                pixels = noise.integers(0, 255, (32, 32, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path


def spec(sweep: dict[str, object], **more: object) -> JobSpec:
    return JobSpec.model_validate(
        {
            "name": "pets",
            "base": {"net": "squeezenet"},
            "data": {"train": "train", "val": "val", "crop": 28, "resize": 32, "batch_size": 2},
            "solver": {"max_iter": 100},
            "sweep": sweep,
            "output": "runs",
            **more,
        }
    )


def test_members_that_share_their_data_read_it_once(images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three rates, two lengths: one reading; other data: another one."""
    read: list[str] = []
    real = sweep_plan.read_inputs
    monkeypatch.setattr(
        sweep_plan,
        "read_inputs",
        lambda spec, context: (read.append(spec.data.train), real(spec, context))[1],
    )
    wanted = spec({"solver.base_lr": [0.1, 0.01, 0.001], "solver.max_iter": [10, 20]})
    made = sweep_plan.plan_sweep(wanted, Context(images))

    assert read == [str(images / "train")]
    assert len({each.plan.run_id for each in made.members}) == 6
    assert [each.plan.solver.max_iter for each in made.members] == [10, 20] * 3
    assert made.seconds == pytest.approx(made.parallel_seconds)


def test_paths_among_the_values_count_from_the_specs_folder(images: Path) -> None:
    """As all others do; so a driver that is started elsewhere finds them."""
    made = sweep_plan.plan_sweep(spec({"data.train": ["train", "other"]}), Context(images))

    assert made.spec.sweep
    assert made.spec.sweep.fields == {"data.train": [str(images / "train"), str(images / "other")]}
    assert [each.plan.spec.data.train for each in made.members] == made.spec.sweep.fields["data.train"]


def test_a_budget_below_the_cheapest_member_is_refused(images: Path) -> None:
    """It names the member, what it was given, and both amounts."""
    usd = get_node("p2.xlarge").usd_per_hour(spot=False) / 3600
    wanted = spec({"solver.base_lr": [0.1]}, budget={"usd": usd}, resources={"node": "p2.xlarge"})

    with pytest.raises(
        BadSpecError, match=r"^budget.usd: .* the cheapest, pets-\w{8} \(base_lr 0.1\), needs about"
    ):
        sweep_plan.plan_sweep(wanted, Context(images))


def test_a_budget_below_that_of_all_is_a_warning(images: Path) -> None:
    """They end early."""
    whole = sweep_plan.plan_sweep(spec({"solver.base_lr": [0.1, 0.2, 0.3]}), Context(images))
    hours = whole.seconds / 3600 / 2
    tight = sweep_plan.plan_sweep(
        spec({"solver.base_lr": [0.1, 0.2, 0.3]}, budget={"hours": hours}), Context(images)
    )

    assert not whole.shortfall
    assert tight.shortfall.startswith("budget.hours: ")
    assert tight.to_json()["shortfall"] == tight.shortfall


def test_a_stage_that_members_share_is_planned_and_paid_once(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the first that has it. Who copies it pays for its own stage, and its node's start."""
    planned: list[str] = []
    real = prepare.read_inputs
    monkeypatch.setattr(
        prepare,
        "read_inputs",
        lambda spec, *rest, **more: (planned.append(spec.name), real(spec, *rest, **more))[1],
    )
    stages = [{"name": "few"}, {"name": "all", "data": {"train": "other"}}]
    wanted = spec({"stages[1].surgery.freeze": ["none", {"up_to": "fire4"}]}, stages=stages)
    made = sweep_plan.plan_sweep(wanted, Context(images))
    first, second = made.members

    assert planned.count("pets") == 1
    assert first.plan.earlier[0].run_id == second.plan.earlier[0].run_id
    assert first.seconds == pytest.approx(first.plan.cost.total_seconds)
    shared = first.plan.earlier[0].forecast.cost
    saved = shared.total_seconds - shared.startup_seconds
    assert second.seconds == pytest.approx(second.plan.cost.total_seconds - saved)
    assert made.seconds == pytest.approx(first.seconds + second.seconds)
    assert [each["stages_copied"] for each in made.to_json()["members"]] == [0, 1]


def test_paths_of_a_stage_count_from_the_specs_folder(images: Path) -> None:
    """As those of the spec do."""
    stages = [{}, {"solver": {"max_iter": 3}}]
    made = sweep_plan.plan_sweep(
        spec({"stages[1].data.train": ["train", "other"]}, stages=stages), Context(images)
    )

    assert [each.plan.spec.data.train for each in made.members] == [
        str(images / "train"),
        str(images / "other"),
    ]
