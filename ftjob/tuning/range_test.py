"""From a spec to its learning-rate range test: a short run whose rate rises until the loss explodes. Pure.

Smith, Cyclical Learning Rates for Training Neural Networks, section 3.3 (https://arxiv.org/abs/1506.01186);
there the rate rises linearly, here exponentially, as in fastai and Lightning.
"""

import re
from dataclasses import dataclass

from ftjob.errors import BadSpecError
from ftjob.errors.outcomes import Reason
from ftjob.runfolder.status import State, Status
from jobspec.grammar import LONGEST_RUN_NAME, RUN_NAME
from jobspec.problems import one_line
from jobspec.spec import Guards, JobSpec, Solver

SUFFIX = "-lr"
FEWEST_ITERATIONS = 50
MOST_ITERATIONS = 10_000
LEAST_RISE = 10.0
LARGEST_RATE = 1e6
SCHEDULE = {
    *("base_lr", "lr_policy", "gamma", "power", "stepsize", "stepvalue"),
    *("epochs", "max_iter", "test_interval", "snapshot"),
}
"""Fields of `solver` that a range test has its own values for."""


@dataclass(frozen=True)
class RateSpan:
    """The rates of a range test, and the iterations in which it passes through them."""

    first: float = 1e-6
    last: float = 1.0
    iterations: int = 100

    def __post_init__(self) -> None:
        if not FEWEST_ITERATIONS <= self.iterations <= MOST_ITERATIONS:
            raise BadSpecError(
                f"tune lr: {self.iterations} iterations: give {FEWEST_ITERATIONS} to {MOST_ITERATIONS:,}"
            )
        if not 0 < self.first * LEAST_RISE <= self.last <= LARGEST_RATE:
            raise BadSpecError(
                f"tune lr: rates from {self.first:g} to {self.last:g}: give rates above 0, the last of them "
                f"{LEAST_RISE:g} times the first or more, and {LARGEST_RATE:g} or less"
            )

    @property
    def gamma(self) -> float:
        """The factor from one iteration's rate to the next: lr_policy exp is first × gamma^iteration."""
        return float((self.last / self.first) ** (1 / (self.iterations - 1)))


def range_test_of(spec: JobSpec, span: RateSpan, name: str | None = None) -> JobSpec:
    """Return the run that tests the rates of a span on a spec's net and data; its default name is NAME-lr.

    It does not depend on the spec's own rate, schedule or length: the same test, the same run. It ends where
    the loss is no number (guards.diverged), tests before the first and after the last iteration only, and has
    nothing to accept. Its budget is the spec's. Raises BadSpecError for a name that no run can have.
    """
    name = name or spec.name[: LONGEST_RUN_NAME - len(SUFFIX)].rstrip("-") + SUFFIX
    if not re.fullmatch(RUN_NAME, name):
        raise BadSpecError(
            f"tune lr: {one_line(name)} is no run's name: give 1 to {LONGEST_RUN_NAME} lower-case letters, "
            "digits and dashes"
        )
    kept = spec.solver.model_dump(exclude=SCHEDULE)
    rising = {"base_lr": span.first, "lr_policy": "exp", "gamma": span.gamma, "max_iter": span.iterations}
    only_at_the_end = {"test_interval": span.iterations, "snapshot": span.iterations}
    return JobSpec(
        name=name,
        base=spec.base,
        surgery=spec.surgery,
        data=spec.data,
        solver=Solver.model_validate({**kept, **rising, **only_at_the_end}),
        engine=spec.engine,
        resources=spec.resources,
        budget=spec.budget,
        guards=Guards(not_learning=False, idle_minutes=spec.guards.idle_minutes),
        output=spec.output,
    )


def is_settled(spec: JobSpec, status: Status) -> bool:
    """Return whether a run has shown all that it can, so that submitting it again starts nothing.

    A run whose rate rises diverges sooner or later: that is how a range test ends well.
    """
    rises = spec.solver.lr_policy == "exp" and spec.solver.gamma > 1
    diverged = status.state is State.FAILED and status.reason == Reason.DIVERGED
    return status.state is State.SUCCEEDED or (rises and diverged and spec.guards.diverged)
