"""From what the parts measured to ratios, and what these should be."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import inf

from benchmarks.gpu.setting import Figures

WIDTH = 40


@dataclass(frozen=True)
class Goal:
    """What all figures whose names begin so should be."""

    prefix: str
    least: float = -inf
    most: float = inf

    @property
    def title(self) -> str:
        """The bounds in words."""
        if self.most == inf:
            return f"≥ {self.least:g}"
        return f"≤ {self.most:g}" if self.least == -inf else f"{self.least:g} to {self.most:g}"


GOALS = (
    Goal("ratio_plain_pytorch_", least=1.0),
    Goal("wait_share_", most=0.03),
    Goal("stall_share", most=0.01),
    Goal("ratio_forecast_", least=0.9, most=1.1),
)


def ratios(figures: Mapping[str, object], precision: str, nets: tuple[str, ...]) -> Figures:
    """Return all ratios that the figures allow; a part that is missing leaves out what needs it."""
    found: dict[str, float | None] = {}
    peaks = figures.get("peak_teraflops")
    peak = number(peaks, precision) if isinstance(peaks, dict) else None
    for net in nets:
        kinds = [number(figures, f"images_per_second_plain_{kind}_{net}") for kind in ("eager", "compiled")]
        plain = max((speed for speed in kinds if speed is not None), default=None)
        fed = number(figures, f"images_per_second_{net}")
        share = divided(number(figures, f"teraflops_{net}"), peak)
        found[f"ratio_plain_pytorch_{net}"] = divided(fed, plain)
        found[f"share_of_peak_{net}"] = share
        found[f"share_of_peak_plain_{net}"] = share and divided(share, divided(fed, plain))
        found[f"ratio_forecast_{net}"] = divided(
            number(figures, f"planned_gib_{net}"), number(figures, f"gib_{net}")
        )
    whole = number(figures, "images_per_second_googlenet")
    for kind in ("first_epoch", "cached"):
        speed = number(figures, f"images_per_second_frozen_{kind}")
        found[f"ratio_frozen_{kind}"] = divided(speed, whole)
    return {name: round(value, 4) for name, value in found.items() if value is not None}


def lines(figures: Mapping[str, object]) -> Iterator[str]:
    """Yield a line for each figure, with its goal where it has one."""
    for name, value in figures.items():
        goal = next((each for each in GOALS if name.startswith(each.prefix)), None)
        line = f"{name:<{WIDTH}} {value}"
        measured = number(figures, name)
        if goal is None or measured is None:
            yield line
        else:
            verdict = "reached" if goal.least <= measured <= goal.most else "MISSED"
            yield f"{line:<{WIDTH + 10}} goal {goal.title}: {verdict}"


def divided(numerator: float | None, denominator: float | None) -> float | None:
    """Return a quotient; None where a part of it is missing or the denominator is 0."""
    return None if numerator is None or not denominator else numerator / denominator


def number(figures: Mapping[str, object], name: str) -> float | None:
    """Return a figure that is a number; None for one that is not there."""
    value = figures.get(name)
    return float(value) if isinstance(value, int | float) else None
