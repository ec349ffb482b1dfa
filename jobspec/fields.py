"""The annotated scalars a spec is made of, and the one conversion they need."""

import math
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

# A Kubernetes object name must be a DNS label (RFC 1123); 40 leaves room for "-<run id>-<attempt>" in 63.
DnsLabel = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40),
]
Location = Annotated[str, StringConstraints(min_length=1)]
"""A path, a URI such as ``s3://bucket/key``, or ``run:NAME[@ITERATION]`` where that is said."""

LayerGlob = Annotated[str, StringConstraints(min_length=1)]
Percent = Annotated[str, StringConstraints(pattern=r"^(100(\.0+)?|\d{1,2}(\.\d+)?)%$")]
IterationCount = Annotated[int, Field(ge=1)]
IterationsOrPercent = IterationCount | Percent
"""A number of iterations, or a share of the run such as ``33%``."""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Fraction = Annotated[float, Field(gt=0, lt=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]
Channels = Annotated[list[float], Field(min_length=1, max_length=4)]
Auto = Literal["auto"]


def iterations(value: int | str, max_iter: int) -> int:
    """Turn a count or a share of the run into iterations: at least 1, a share rounded up."""
    if isinstance(value, int):
        return value
    return max(1, math.ceil(float(value.rstrip("%")) / 100 * max_iter))
