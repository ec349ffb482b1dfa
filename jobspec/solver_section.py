"""The spec's solver: Caffe's SolverParameter, checked as Caffe checks it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from jobspec.fields import (
    INT32_MAX,
    Count,
    Epochs,
    Images,
    IterationsOrPercent,
    Momentum,
    NonNegative,
    Positive,
    Section,
    iterations,
    mistake,
)

# Caffe ends with "Momentum cannot be used with ..." (sgd_solvers.hpp, constructor_sanity_check).
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
MOST_GPUS = 64
# The default gamma is a step's; in these policies it would stop or reverse learning within seconds.
GAMMA_OF_ITS_OWN = {"exp": "0.9999", "inv": "0.0001", "sigmoid": "0.01"}


class Solver(Section):
    """Caffe's SolverParameter: the same names, and the same defaults where it has any."""

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    """How gradients become updates: one of Caffe's six solvers."""
    base_lr: Positive = 0.001
    """The initial learning rate; for fine-tuning, a tenth of the rate the base net was trained with."""
    lr_policy: Literal["fixed", "step", "multistep", "exp", "inv", "poly", "sigmoid"] = "step"
    """How the learning rate falls: one of Caffe's policies."""
    gamma: Positive = 0.1
    """The factor of a step. Required for lr_policy exp, inv and sigmoid, since no default fits all runs
    (sigmoid rises: Caffe aborts on the negative value that would make it fall)."""
    power: Positive = 1.0
    """The exponent in lr_policy inv and poly."""
    stepsize: IterationsOrPercent = "33%"
    """Iterations, or the share of the run, between two steps of lr_policy step; the midpoint of sigmoid."""
    stepvalue: Annotated[list[IterationsOrPercent], Field(max_length=1000)] = Field(default=[])
    """When lr_policy multistep takes its steps: iterations or shares of the run, such as `[50%, 85%]`."""
    momentum: Momentum = 0.9
    """The share of the last update added to the next; 0 with AdaGrad and RMSProp, which have no momentum."""
    momentum2: Momentum = 0.999
    """The decay of Adam's second moment."""
    rms_decay: Momentum = 0.99
    """The decay of RMSProp's mean of squared gradients."""
    delta: Positive = 1e-8
    """A small number that keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero."""
    weight_decay: NonNegative = 0.0005
    """The weight of the regularization."""
    regularization_type: Literal["L1", "L2"] = "L2"
    """The norm of the weights to add to the loss."""
    clip_gradients: Positive | None = None
    """The largest L2 norm of all gradients together; larger gradients are scaled down to it."""
    iter_size: Images = 1
    """Forward passes per iteration; their gradients are added up."""
    gpus: Annotated[int, Field(ge=1, le=MOST_GPUS)] = 1
    """GPUs of the node that train together (torch engine). Each takes `data.batch_size` images per pass and
    their gradients are averaged, as with `caffe train -gpu`; `base_lr` stays as it is."""
    epochs: Epochs | None = None
    """Passes over the training data: give this or `max_iter`; 10 if you give neither."""
    max_iter: Count | None = None
    """Iterations of the whole run."""
    test_interval: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two tests. Default: one epoch."""
    snapshot: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two snapshots. Default: one epoch."""
    display: Count = 20
    """Iterations between two lines of the log; the metrics have every iteration."""
    random_seed: Annotated[int, Field(ge=0, le=INT32_MAX)] = 1
    """The seed of Caffe's random numbers: fillers, crops, mirrors and dropout."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """What the torch engine multiplies in; weights, losses and snapshots are always fp32. `auto`: bf16 on
    GPUs of compute capability 8.0 (Ampere) and newer; fp32 on older ones, on processors and with Caffe."""

    @model_validator(mode="before")
    @classmethod
    def _without_momentum(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("type") in WITHOUT_MOMENTUM:
            return {"momentum": 0.0, **values}
        return values

    @model_validator(mode="after")
    def _type_has_momentum(self) -> Self:
        if self.type in WITHOUT_MOMENTUM and self.momentum:
            raise mistake(f"cannot be used with type {self.type}; remove it", "momentum")
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.max_iter is not None:
            raise mistake("give epochs or max_iter, not both")
        return self

    @model_validator(mode="after")
    def _gamma_fits(self) -> Self:
        example = GAMMA_OF_ITS_OWN.get(self.lr_policy)
        if example and "gamma" not in self.model_fields_set:
            raise mistake(
                f"is missing; lr_policy {self.lr_policy} needs one of its own, such as {example}", "gamma"
            )
        return self

    @model_validator(mode="after")
    def _stepvalue_fits(self) -> Self:
        if (self.lr_policy == "multistep") != bool(self.stepvalue):
            if self.stepvalue:
                raise mistake(f"is for lr_policy multistep, and lr_policy is {self.lr_policy}", "stepvalue")
            raise mistake("is missing; lr_policy multistep needs a list such as [50%, 85%]", "stepvalue")
        steps = self.stepvalue
        for before, after in pairwise(steps):
            if not self._is_before(before, after):
                raise mistake(f"must be ascending, got {before} before {after}", "stepvalue")
        return self

    def _is_before(self, left: int | str, right: int | str) -> bool:
        """Whether one step is before another; true for a count and a share if the run's length is unknown."""
        if isinstance(left, int) == isinstance(right, int):
            return iterations(left, 10**15) < iterations(right, 10**15)
        return self.max_iter is None or iterations(left, self.max_iter) < iterations(right, self.max_iter)
