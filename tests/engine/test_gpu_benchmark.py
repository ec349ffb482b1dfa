"""`make bench B=gpu` on processors: it runs to its end, and names what is missing."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu.summary import lines, ratios

ROOT = Path(__file__).parents[2]
MEASURED: dict[str, object] = {
    "peak_teraflops": {"fp32": 10.0, "bf16": 40.0},
    "images_per_second_googlenet": 300.0,
    "images_per_second_plain_eager_googlenet": 200.0,
    "images_per_second_plain_compiled_googlenet": 250.0,
    "teraflops_googlenet": 8.0,
    "planned_gib_googlenet": 3.0,
    "gib_googlenet": 4.0,
    "images_per_second_frozen_cached": 3000.0,
    "wait_share_googlenet": 0.031,
}


def run(*words: str) -> tuple[int, dict[str, Any]]:
    """Call the benchmark; return its exit code and the object on its last line."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.gpu", "--device", "cpu", "--smoke", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, json.loads(done.stdout.splitlines()[-1])


@pytest.mark.torch
@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_runs_to_its_end_without_a_gpu() -> None:
    """All parts but those that a smoke run has not; a resumed run is equal to the bit."""
    code, found = run("--seconds", "800")

    assert (code, found["left_out"]) == (0, {})
    assert (found["device"], found["precision"], found["smoke"]) == ("processors", "fp32", True)
    for name in ("images_per_second_googlenet", "images_per_second_plain_eager_googlenet",
                 "teraflops_googlenet", "planned_gib_googlenet", "ratio_plain_pytorch_googlenet",
                 "share_of_peak_googlenet", "share_of_peak_plain_googlenet", "ratio_frozen_first_epoch",
                 "ratio_frozen_cached", "stall_share"):  # fmt: skip
        assert found[name] > 0, name
    assert 0 <= found["wait_share_googlenet"] < 1
    assert set(found["peak_teraflops"]) == {"fp32", "bf16"}
    assert found["engine_torch_fp32"]["resumed_off_by"] == 0
    assert found["snapshot_megabytes"] > 1


@pytest.mark.torch
@pytest.mark.slow
def test_what_did_not_fit_into_the_time_is_named() -> None:
    """Every part of it, with its reason; the exit code says so too."""
    code, found = run("--seconds", "0.01")

    assert code == 1
    assert {"data", "peak", "ftjob googlenet", "plain googlenet eager", "frozen trunk", "snapshots",
            "engine torch fp32"} == set(found["left_out"])  # fmt: skip
    assert all(why.startswith("not done within its 0 s") for why in found["left_out"].values())


def test_ratios_are_against_the_better_of_plain_pytorch() -> None:
    """And of the peak of the precision that was measured; memory is forecast by measured."""
    found = ratios(MEASURED, "bf16", ("googlenet",))

    assert found == {
        "ratio_plain_pytorch_googlenet": 1.2,
        "share_of_peak_googlenet": 0.2,
        "share_of_peak_plain_googlenet": 0.1667,
        "ratio_forecast_googlenet": 0.75,
        "ratio_frozen_cached": 10.0,
    }


@pytest.mark.parametrize("missing", MEASURED)
def test_a_missing_figure_leaves_out_what_needs_it(missing: str) -> None:
    """And nothing fails."""
    some = {name: value for name, value in MEASURED.items() if name != missing}

    assert (
        ratios(some, "bf16", ("googlenet", "vgg16")).items()
        <= {
            **ratios(MEASURED, "bf16", ("googlenet",)),
            "ratio_plain_pytorch_googlenet": 1.5 if "compiled" in missing else 1.2,
            "share_of_peak_plain_googlenet": 0.1333 if "compiled" in missing else 0.1667,
        }.items()
    )


def test_the_table_marks_the_goals_that_were_missed() -> None:
    """Bounds included; a figure without a goal has none."""
    more = {"ratio_plain_pytorch_googlenet": 1.0, "ratio_forecast_googlenet": 1.11}
    shown = dict(line.split(maxsplit=1) for line in lines({**MEASURED, **more}))

    assert shown["wait_share_googlenet"].endswith("goal ≤ 0.03: MISSED")
    assert shown["ratio_plain_pytorch_googlenet"].endswith("goal ≥ 1: reached")
    assert shown["ratio_forecast_googlenet"].endswith("goal 0.9 to 1.1: MISSED")
    assert shown["teraflops_googlenet"] == "8.0"
