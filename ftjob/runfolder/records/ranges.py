"""Ranges that several documents share."""

from typing import Annotated

from annotated_types import Interval

Images = Annotated[int, Interval(ge=0, le=2**40)]
Quantity = Annotated[float, Interval(ge=0, le=1e15)]
