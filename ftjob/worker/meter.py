"""What a run's time costs: earlier attempts as they are accounted, and this one from its begin.

On a cluster an attempt begins when its pod comes to its node: pulling the image and fetching the data are
paid for too. The kubelet makes the pod's volumes right then, before it pulls, so the time of the nodes file,
which is in one of them, is that moment by the node's own clock.
"""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ftjob.nodes import ENV_NODES, Node
from ftjob.plan.cost import Budget
from ftjob.status import ENV_SECONDS_BEFORE, ENV_USD_BEFORE, ENV_USD_PER_HOUR, Status
from ftjob.worker.owner import Owner
from jobspec import JobSpec


@dataclass(frozen=True)
class Account:
    """What was spent before, what an hour costs now, and since when."""

    seconds_before: float
    usd_before: float
    usd_per_hour: float
    begun: float
    """Seconds since 1970."""
    clock: float
    """What time.monotonic() said, or would have said, at `begun`."""
    spot: bool = False
    """Whether the price is a spot instance's."""

    @property
    def elapsed(self) -> float:
        """Seconds of this attempt so far."""
        return time.monotonic() - self.clock

    @property
    def seconds(self) -> float:
        """Seconds over all attempts so far."""
        return self.seconds_before + self.elapsed

    @property
    def usd(self) -> float:
        """Dollars over all attempts so far."""
        return self.usd_before + self.cost(self.elapsed)

    def cost(self, seconds: float) -> float:
        """Return the dollars of so many seconds of this attempt."""
        return seconds / 3600 * self.usd_per_hour

    def left(self, budget: Budget) -> float:
        """Return the seconds that a budget still pays for; infinite without one, negative when overdrawn."""
        return budget.seconds(self.usd_per_hour, self.seconds, self.usd)


def open_account(
    spec: JobSpec,
    node: Node,
    before: Status | None,
    owner: Owner,
    env: Mapping[str, str] = os.environ,
) -> Account:
    """Return the account of an attempt that begins now, or began when its pod came to its node.

    Where pods are accounted for, the controller's figures are the truth of its object's own pods, to which
    comes what the folder had before that object; elsewhere the last status's figures are.
    """
    now, clock = time.time(), time.monotonic()
    if ENV_SECONDS_BEFORE not in env:
        price = node.usd_per_hour(spot=spec.resources.begins_on_spot)
        spent = (before.seconds, before.usd) if before else (0.0, 0.0)
        return Account(*spent, price, now, clock, spec.resources.begins_on_spot)
    waited = max(0.0, now - _mounted(env, now))
    price = float(env[ENV_USD_PER_HOUR])
    return Account(
        seconds_before=owner.seconds_before + float(env[ENV_SECONDS_BEFORE]),
        usd_before=owner.usd_before + float(env[ENV_USD_BEFORE]),
        usd_per_hour=price,
        begun=now - waited,
        clock=clock - waited,
        spot=spec.resources.begins_on_spot and price == node.price.spot,
    )


def _mounted(env: Mapping[str, str], now: float) -> float:
    """Return when the pod's volumes were made; now where nothing tells."""
    try:
        return Path(env[ENV_NODES]).stat().st_mtime
    except (KeyError, OSError):
        return now
