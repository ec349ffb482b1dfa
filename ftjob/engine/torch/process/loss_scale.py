"""The scale of fp16's losses, so that small gradients are not rounded to 0 (as torch.amp.GradScaler's)."""

import math
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

FIRST = 2.0**16
GROWTH_INTERVAL = 2000
"""Updates without an overflow after which the scale doubles."""


class LossScale:
    """A power of two that losses are multiplied by, and gradients divided by."""

    def __init__(self) -> None:
        self.scale, self.good = FIRST, 0
        """`good` counts the updates since the scale last changed."""

    @property
    def state(self) -> tuple[int, int]:
        """The scale's exponent, and the updates since it changed."""
        return int(math.log2(self.scale)), self.good

    def restore(self, exponent: int, good: int) -> None:
        """Continue from an earlier `state`."""
        self.scale, self.good = 2.0**exponent, good

    def unscale(self, gradients: Sequence[Tensor], iteration: int) -> bool:
        """Divide the gradients by the scale, and return whether all are finite: else there is nothing to
        update with, and the scale is halved."""
        overflowed = torch.zeros(1, device=gradients[0].device) if gradients else torch.zeros(1)
        factor = torch.full_like(overflowed, 1 / self.scale)
        if gradients:
            torch._amp_foreach_non_finite_check_and_unscale_(list(gradients), overflowed, factor)
        if overflowed.item():
            self.scale, self.good = self.scale / 2, 0
            sys.stderr.write(
                f"iteration {iteration + 1} makes no update: a gradient is beyond fp16; losses are scaled by "
                f"{self.scale:g} from now on\n"
            )
            return False
        self.good += 1
        if self.good == GROWTH_INTERVAL:
            self.scale, self.good = self.scale * 2, 0
        return True
