"""Budgets that do not pay for the run: refused with what they would pay for, all of it really planned."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from ftjob.nodes.profiles import get_node
from ftjob.plan.plan import Plan
from ftjob.plan.shortfall import Change, changes_that_fit, shortfall_of, trunk
from ftjob.prepare import calibration
from tests.plan.specs import plan

pytestmark = pytest.mark.slow

LONG = {"epochs": 40000, "snapshot": 5000, "test_interval": 5000}
"""About $6 on p2.xlarge, where the page's spec has a budget of $4."""


@pytest.fixture
def short(in_faces: Path) -> Plan:
    return plan(solver=LONG)


def taken(change: Change) -> Plan:
    """Plan the page's spec with what was suggested laid over it."""
    section, field = change.field.split(".")
    over: dict[str, Any] = {"solver": LONG}
    over[section] = {**over.get(section, {}), field: yaml.safe_load(change.value)}
    return plan(**over)


def test_what_is_suggested_fits(short: Plan) -> None:
    """Fewer epochs, a frozen trunk, another node: each of them, taken, is paid for."""
    changes = changes_that_fit(short)

    assert [change.field for change in changes] == ["solver.epochs", "surgery.freeze", "resources.node"]
    for change in changes:
        made = taken(change)
        assert (shortfall_of(made), made.warnings, made.problems) == ("", (), ())
        assert made.forecast.cost == change.plan.forecast.cost


def test_no_less_is_suggested_than_is_needed(short: Plan) -> None:
    """One epoch more, or one block less frozen, would not be paid for."""
    epochs, freeze, _ = changes_that_fit(short)
    name = yaml.safe_load(freeze.value)["up_to"]
    before = trunk(short)[trunk(short).index(name) - 1]

    assert shortfall_of(plan(solver={**LONG, "epochs": int(epochs.value) + 1}))
    assert shortfall_of(plan(solver=LONG, surgery={"freeze": {"up_to": before}}))


def test_the_node_is_the_cheapest_that_pays(short: Plan) -> None:
    """With the same engine, and without what is wrong on it; `local` is not a node of a cluster."""
    *_, node = changes_that_fit(short)
    others = [plan(solver=LONG, resources={"node": name}) for name in ("g4dn.xlarge", "p3.2xlarge")]
    paid = [other for other in others if not shortfall_of(other)]

    cheapest = min(paid, key=lambda other: other.forecast.cost.usd)
    assert node.value == cheapest.inputs.node.name


def test_max_iter_is_shortened_where_the_spec_has_it(in_faces: Path) -> None:
    """The length is suggested in the words of the spec, to the iteration."""
    length = {"epochs": None, "max_iter": 80_000, "snapshot": 5000, "test_interval": 5000}
    change = changes_that_fit(plan(solver=length))[0]

    assert change.field == "solver.max_iter"
    assert not shortfall_of(plan(solver={**length, "max_iter": int(change.value)}))
    assert shortfall_of(plan(solver={**length, "max_iter": int(change.value) + 1}))


def test_a_trunk_without_weights_is_not_frozen(in_faces: Path) -> None:
    """Noise stays noise: where there are no weights, freezing is no way out."""
    bare = plan(solver=LONG, base={"weights": None}, surgery={"freeze": "none"})

    assert "surgery.freeze" not in [change.field for change in changes_that_fit(bare)]


def test_suggestions_are_as_far_off_as_was_measured(in_faces: Path, in_a_pod: None, tmp_path: Path) -> None:
    """What is slower than its profile is so with fewer epochs and frozen, too; another node is not."""
    before = plan(solver=LONG, output=str(tmp_path))
    speed = before.forecast.predicted
    calibration.remember(before, 1.05 * speed.train, 1.02 * speed.test, before.run_id, 0.0)
    *same, node = changes_that_fit(plan(solver=LONG, output=str(tmp_path)))

    assert [change.field for change in same] == ["solver.epochs", "surgery.freeze"]
    for change in same:
        coming = change.plan.forecast
        assert coming.cost.images_per_second == pytest.approx(1 / (1.05 * coming.predicted.train))
    assert node.plan.forecast.measured is None


def test_a_node_that_would_fail_is_not_suggested(
    in_faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However cheap: one with too little memory is no way out."""
    cheap = {**get_node("p2.xlarge").model_dump(mode="json"), "price": {"on_demand": 0.01}}
    cheap |= {"gpu_memory_gib": 0.5}
    del cheap["name"]
    own = tmp_path / "nodes.yaml"
    own.write_text(yaml.safe_dump({"tiny": cheap}))
    monkeypatch.setenv("FTJOB_NODES", str(own))
    *_, node = changes_that_fit(plan(solver=LONG))

    assert node.value == "g4dn.xlarge"


def test_a_shortfall_of_hours_is_given_in_hours(in_faces: Path) -> None:
    """The budget that is used up first is the one that is named."""
    sentence = shortfall_of(plan(budget={"usd": 4, "hours": 1}, solver=LONG))

    assert sentence.startswith(
        "budget.hours: 1 hour does not pay for the estimate of 6.77 hours on p2.xlarge; "
    )
    assert "$" not in sentence


@pytest.mark.parametrize("budget", [{"usd": 0.06}, {"usd": None, "hours": 0.067}])
def test_a_budget_without_a_first_snapshot_is_a_problem(in_faces: Path, budget: dict[str, Any]) -> None:
    """Nothing would be left of the money: asking for the node takes most of it already."""
    planned = plan(budget=budget)

    assert planned.problems == (planned.too_poor,)
    assert "does not pay for the start and the 3 iterations until the first snapshot" in planned.too_poor
    assert (planned.warnings, shortfall_of(planned)) == ((), "")


def test_what_pays_for_a_first_snapshot_is_none(in_faces: Path) -> None:
    """The least budget that is allowed buys a snapshot, and not the whole run."""
    least = plan(solver=LONG).forecast.cost.least_seconds / 3600
    enough, little = (plan(solver=LONG, budget={"hours": least * share}) for share in (1.001, 0.999))

    assert (enough.problems, bool(shortfall_of(enough))) == ((), True)
    assert (bool(little.problems), shortfall_of(little)) == (True, "")


def test_dollars_without_a_price_get_a_warning(in_faces: Path) -> None:
    """A budget in dollars ends no run on a node that costs nothing."""
    [warning] = plan(resources={"node": "local"}).warnings

    assert warning.startswith("budget.usd: has no effect on local, which costs nothing: give budget.hours")


@pytest.mark.parametrize(
    ("changes", "worst"),
    [
        ({"budget": {"usd": 4}}, 4.0),
        ({"budget": {"usd": None, "hours": 2}}, 1.80),
        ({"budget": {"usd": 1.0, "hours": 2}}, 1.0),
        ({"budget": {"usd": None, "hours": 2}, "resources": {"spot": True}}, 0.54),
        ({"budget": {"usd": None, "hours": 2}, "resources": {"spot": "prefer"}}, 1.80),
        ({"resources": {"node": "local"}}, 0.0),
    ],
)
def test_the_worst_case_is_the_budget(in_faces: Path, changes: dict[str, Any], worst: float) -> None:
    """Hours count at the dearest price that may be paid; a free node costs nothing."""
    assert plan(**changes).forecast.cost.worst_usd == pytest.approx(worst)


def test_the_worst_case_without_a_budget_is_every_attempt(in_faces: Path) -> None:
    """Each tried again at its very end, max_retries times."""
    cost = plan(budget={"usd": None}, resources={"max_retries": 2}).forecast.cost

    assert cost.worst_usd == pytest.approx(3 * cost.usd)
