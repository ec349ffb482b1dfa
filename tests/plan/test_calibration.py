"""What a run measured is what the next plan of the same net on the same node foretells."""

from pathlib import Path
from typing import Any

import pytest

from ftjob import api
from ftjob.plan.measured import speed_key
from ftjob.plan.plan import Plan, make_plan
from ftjob.prepare import calibration
from ftjob.runfolder.status import ENV_SECONDS_BEFORE
from tests.plan.specs import changed, document
from tests.plan.specs import plan as plan_of
from tests.storage.processes import free_ports
from tests.storage.servers import Bucket

pytestmark = pytest.mark.slow

NOON = 1_790_000_000.0
"""In September 2026."""


@pytest.fixture(autouse=True)
def output(in_faces: Path, in_a_pod: None, tmp_path: Path) -> str:
    """Where the runs of a test are kept."""
    return str(tmp_path / "runs")


def plan(output: str, **changes: Any) -> Plan:
    return plan_of(output=output, **changes)


def remember(planned: Plan, train: float = 0.05, test: float | None = 0.02, **more: Any) -> Path:
    return Path(str(calibration.remember(planned, train, test, planned.run_id, NOON, **more)))


def test_what_was_measured_replaces_the_profile(output: str) -> None:
    """Time, dollars and what the budget pays for follow; the run is the same one."""
    before = plan(output)
    remember(before, startup_seconds=100.0)
    after = plan(output)

    cost = after.forecast.cost
    assert (cost.images_per_second, cost.startup_seconds) == (20, 100)
    assert cost.train_seconds == pytest.approx(before.forecast.work.max_iter * 32 * 0.05)
    assert cost.test_seconds == pytest.approx(9 * 14 * 0.02)
    assert after.run_id == before.run_id
    assert after.forecast.predicted == before.forecast.predicted


def test_the_plan_names_the_run_and_how_far_off_the_guess_was(output: str) -> None:
    """In its assumptions for people, in numbers for programs."""
    before = plan(output)
    remember(before, before.forecast.predicted.train / 1.8)
    after = plan(output)

    assumption = (
        f"measured in run emotions/{before.run_id} on 2026-09-21; the profile's guess was 1.8 times that"
    )
    assert assumption in after.forecast.cost.assumptions
    speed = document(after).to_json()["speed"]
    assert speed["predicted_to_measured"] == pytest.approx(1.8)
    assert speed["measured"]["run"] == f"emotions/{before.run_id}"
    assert document(before).to_json()["speed"]["measured"] is None


def test_tests_that_nobody_timed_are_as_far_off_as_training(output: str) -> None:
    """The same factor; a start that nobody timed stays the profile's."""
    before = plan(output)
    remember(before, before.forecast.predicted.train * 2, None)
    after = plan(output).forecast.cost

    assert after.test_seconds == pytest.approx(2 * before.forecast.cost.test_seconds)
    assert after.startup_seconds == before.forecast.cost.startup_seconds


SAME: dict[str, dict[str, Any]] = {
    "name": {"name": "other"},
    "learning rate": {"solver": {"base_lr": 0.01, "epochs": 3}, "surgery": {"head_lr_mult": 2.0}},
    "mean": {"data": {"mean": [1, 2, 3]}},
    "budget": {"budget": {"usd": 9.0}},
    "spot": {"resources": {"spot": True}},
}
OTHER: dict[str, dict[str, Any]] = {
    "frozen": {"surgery": {"freeze": {"up_to": "inception_3a"}}},
    "batch": {"data": {"batch_size": 16}},
    "iter_size": {"solver": {"iter_size": 2}},
    "solver": {"solver": {"type": "Adam"}},
    "crop": {"data": {"crop": 223}},
    "node": {"resources": {"node": "g4dn.xlarge"}},
    "engine": {"engine": "torch"},
    "net": {"base": {"net": "caffenet", "weights": None}, "surgery": {"freeze": "none"}},
}


@pytest.mark.parametrize("what", SAME)
def test_it_holds_for_what_is_as_fast(output: str, what: str) -> None:
    """Another name, rate, mean or budget takes the same time."""
    remember(plan(output))

    assert plan(output, **SAME[what]).forecast.measured is not None


@pytest.mark.parametrize("what", OTHER)
def test_it_does_not_hold_for_what_is_not(output: str, what: str) -> None:
    """Other layers that learn, batches, solvers, nodes and engines are measured by themselves."""
    remember(plan(output))

    assert plan(output, **OTHER[what]).forecast.measured is None


def test_how_params_begin_takes_no_time(output: str) -> None:
    """Another filler in the base net's prototxt is as fast, wherever in a layer it stands."""
    before = plan(output)
    for layer in before.inputs.net.layer:
        if layer.HasField("convolution_param"):
            layer.convolution_param.weight_filler.std = 0.5

    assert speed_key(make_plan(before.inputs), "") == speed_key(before, "")


def test_local_is_this_machine_only(output: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What one machine measured as `local` says nothing of another with the same store."""
    local = {"resources": {"node": "local"}}
    remember(plan(output, **local))

    assert plan(output, **local).forecast.measured
    monkeypatch.setattr("platform.node", lambda: "another")
    assert plan(output, **local).forecast.measured is None


def test_a_profile_that_only_stands_for_a_price_is_not_measured(
    output: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run on this machine says how fast this machine is, and not the node whose price it was given."""
    monkeypatch.delenv(ENV_SECONDS_BEFORE)

    assert calibration.remember(plan(output), 0.1, 0.1, "0123456789", NOON) is None
    assert plan(output).forecast.measured is None


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"{}", b'{"run": "a/b", "when": 1, "train_seconds_per_image": 0}', b"\xff\xfe"],
)
def test_a_damaged_object_is_named_and_passed_over(output: str, text: bytes) -> None:
    """The plan is the profile's, and says which object to remove."""
    before = plan(output)
    place = remember(before)
    place.write_bytes(text)
    after = plan(output)

    assert after.forecast.cost.total_seconds == before.forecast.cost.total_seconds
    assert f"{place} holds no measured speed (" in after.forecast.cost.assumptions[-1]


def test_a_later_run_replaces_what_an_earlier_one_measured(output: str) -> None:
    """One object per net, node, engine and batch."""
    place = remember(plan(output), 0.5)

    assert remember(plan(output), 0.25) == place
    assert plan(output).forecast.cost.images_per_second == 4


def test_it_is_kept_in_a_store(s3: Bucket) -> None:
    """Beside the runs, and found from there; what the store has of it can be read by people."""
    output = f"{s3.uri}/runs"
    planned = plan(output)
    place = str(calibration.remember(planned, 0.1, 0.05, planned.run_id, NOON))

    assert place.startswith(f"{output}/calibration/")
    assert plan(output).forecast.cost.images_per_second == 10
    text = s3.client.get_object(Bucket=s3.name, Key=place.removeprefix(f"{s3.uri}/"))["Body"].read()
    assert b'"node": "p2.xlarge"' in text


def test_a_store_that_is_away_stops_no_plan(monkeypatch: pytest.MonkeyPatch, s3: Bucket) -> None:
    """The plan says so and goes on with the profile."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_ports(1)[0]}")
    monkeypatch.setattr(calibration, "PATIENCE", 0.5)
    spec = changed({"output": f"{s3.uri}/runs"})

    assert "the measured speed could not be read (" in api.plan(spec).forecast.cost.assumptions[-1]
