"""What an attempt opens its engine with, on the machine that it has."""

from types import SimpleNamespace
from typing import Any

import pytest

from ftjob.engine.nvml import Device
from ftjob.net.precision import Precision
from ftjob.nodes.profiles import get_node
from ftjob.plan.engines import WantedPrecision, choose_engine
from ftjob.worker.resume import precision_on
from jobspec import Solver

A10G, T4 = Device(0, "NVIDIA A10G", (8, 6)), Device(0, "NVIDIA T4", (7, 5))


@pytest.mark.parametrize(
    ("node", "gpu", "wanted", "found"),
    [
        ("g5.xlarge", A10G, "auto", "bf16"),
        ("g5.xlarge", T4, "auto", "fp32"),
        ("g5.xlarge", None, "auto", "fp32"),
        ("g4dn.xlarge", A10G, "auto", "fp32"),
        ("local", None, "auto", "fp32"),
        ("g5.xlarge", None, "bf16", "bf16"),
        ("g5.xlarge", T4, "tf32", "tf32"),
    ],
)
def test_auto_is_the_plans_precision_where_the_device_is_the_nodes(
    node: str, gpu: Device | None, wanted: WantedPrecision, found: Precision
) -> None:
    """Elsewhere it is fp32; one that the spec names stays, and the engine refuses what the device lacks."""
    plan: Any = SimpleNamespace(
        spec=SimpleNamespace(solver=Solver(precision=wanted)),
        engine=choose_engine("torch", get_node(node), (), wanted),
    )

    assert precision_on(gpu, plan) == found
