"""What a worker's time costs: laws of the account it opens."""

import math
import os
import time
from pathlib import Path

import pytest

from ftjob.money.limits import BudgetLimits
from ftjob.nodes.profiles import ENV_NODES, get_node
from ftjob.runfolder.status import ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR, Status
from ftjob.worker.meter import Account, open_account
from ftjob.worker.owner import JobOwner, UserOwner
from ftjob.worker.pod.context import PodContext
from jobspec import JobSpec

SPEC = JobSpec.model_validate(
    {
        "name": "faces",
        "base": {"net": "lenet"},
        "data": {"train": "a", "val": "b"},
        "resources": {"node": "p2.xlarge", "spot": True},
        "output": "runs",
    }
)
USER = UserOwner(user="ada")
IN_A_POD = {ENV_SECONDS_BEFORE: "600.000", ENV_USD_BEFORE: "0.150000", ENV_USD_PER_HOUR: "0.9"}


def an_hour_ago(usd_per_hour: float, seconds: float = 0.0, usd: float = 0.0) -> Account:
    """An attempt that began an hour before now, after others."""
    return Account(seconds, usd, usd_per_hour, time.time() - 3600, time.monotonic() - 3600)


def test_on_a_machine_of_ones_own_the_last_status_gives_what_was_spent() -> None:
    """At the profile's price, from now on."""
    account = open_account(
        SPEC, get_node("p2.xlarge"), Status("faces", "a", seconds=50.0, usd=0.2), USER, PodContext()
    )

    assert (account.seconds_before, account.usd_before) == (50.0, 0.2)
    assert account.usd_per_hour == get_node("p2.xlarge").price.spot
    assert account.elapsed < 20


def test_in_a_pod_the_controller_gives_what_was_spent_and_what_an_hour_costs(tmp_path: Path) -> None:
    """Whatever the last status says; and the clock runs since the pod's volumes were made."""
    mounted = tmp_path / "nodes.yaml"
    mounted.touch()
    os.utime(mounted, (time.time() - 90, time.time() - 90))
    pod = PodContext.from_env({**IN_A_POD, ENV_NODES: str(mounted)})

    account = open_account(SPEC, get_node("p2.xlarge"), Status("faces", "a", seconds=1e9), USER, pod)

    assert account.seconds == pytest.approx(690, abs=20)
    assert account.usd == pytest.approx(0.15 + 0.9 * 90 / 3600, abs=0.9 * 20 / 3600)
    assert account.begun == pytest.approx(time.time() - 90, abs=20)


def test_what_a_folder_had_cost_before_its_object_comes_on_top() -> None:
    """The controller knows its own object's pods only."""
    owner = JobOwner(cluster="a", namespace="b", name="faces", uid="c", seconds_before=1000.0, usd_before=2.0)
    account = open_account(SPEC, get_node("p2.xlarge"), None, owner, PodContext.from_env(IN_A_POD))

    assert (account.seconds_before, account.usd_before) == (1600.0, 2.15)


@pytest.mark.parametrize("ahead", [0.0, 3600.0])
def test_a_clock_that_was_put_back_does_not_lengthen_a_budget(tmp_path: Path, ahead: float) -> None:
    """A pod that seems to begin in the future began now; so does one with no record of when it did."""
    mounted = tmp_path / "nodes.yaml"
    if ahead:
        mounted.touch()
        os.utime(mounted, (time.time() + ahead, time.time() + ahead))

    pod = PodContext.from_env({**IN_A_POD, ENV_NODES: str(mounted)})
    account = open_account(SPEC, get_node("p2.xlarge"), None, USER, pod)

    assert account.seconds == pytest.approx(600, abs=20)


@pytest.mark.parametrize(
    ("before", "budget", "left"),
    [
        ((0.5,), BudgetLimits(), math.inf),
        ((0.5,), BudgetLimits(hours=3), 7200),
        ((0.5, 3600.0), BudgetLimits(hours=3), 3600),
        ((0.5,), BudgetLimits(usd=1.0), 3600),
        ((0.5, 0.0, 0.25), BudgetLimits(usd=1.0), 1800),
        ((0.5,), BudgetLimits(usd=1.0, hours=1.5), 1800),
        ((0.5,), BudgetLimits(usd=0.25), -1800),
        ((0.0,), BudgetLimits(usd=1.0), math.inf),
    ],
)
def test_a_budget_pays_for_so_many_seconds_more(
    before: tuple[float, ...], budget: BudgetLimits, left: float
) -> None:
    """Dollars at this attempt's price, whatever earlier ones cost; the tighter of the two limits."""
    assert an_hour_ago(*before).left(budget) == pytest.approx(left, abs=20)


def test_a_pod_is_on_spot_where_the_price_is_spot() -> None:
    """With `prefer` only the price decides; a spec that allows no spot is never on it."""
    node = get_node("p2.xlarge")
    for price, spot in ((node.price.spot, True), (node.price.on_demand, False)):
        pod = PodContext.from_env({**IN_A_POD, ENV_USD_PER_HOUR: str(price)})
        assert open_account(SPEC, node, None, USER, pod).spot is spot
    on_demand = SPEC.model_copy(update={"resources": SPEC.resources.model_copy(update={"spot": False})})

    assert open_account(SPEC, node, None, USER, PodContext()).spot
    pod = PodContext.from_env({**IN_A_POD, ENV_USD_PER_HOUR: str(node.price.spot)})
    assert not open_account(on_demand, node, None, USER, pod).spot
