"""Time and money in whole milliseconds and millionths of a dollar, so that sums are exact."""

from collections.abc import Iterable
from typing import NamedTuple


class Amount(NamedTuple):
    """Time and money."""

    milliseconds: int = 0
    microdollars: int = 0

    @property
    def seconds(self) -> float:
        return self.milliseconds / 1e3

    @property
    def usd(self) -> float:
        return self.microdollars / 1e6

    def to_json(self) -> dict[str, float]:
        """Return the amount as programs read it."""
        return {"seconds": self.seconds, "usd": self.usd}


def total(amounts: Iterable[Amount]) -> Amount:
    """Return the sum of amounts."""
    time_and_money = list(amounts)
    return Amount(
        sum(each.milliseconds for each in time_and_money), sum(each.microdollars for each in time_and_money)
    )


def shares(total: int, weights: list[int]) -> list[int]:
    """Divide a whole number in proportion; the parts add up to it (largest remainders first)."""
    everything = sum(weights)
    if not everything:
        return [total, *[0] * (len(weights) - 1)] if weights else []
    parts = [total * weight // everything for weight in weights]
    rest = sorted(range(len(weights)), key=lambda index: -(total * weights[index] % everything))
    for index in rest[: total - sum(parts)]:
        parts[index] += 1
    return parts
