"""Checks that an image's scores are the same alone and in a batch, in whatever order."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftjob.engine import DeployNet

ALIKE = 1e-4
"""What the scores of an image may differ by, as a share of the largest score: a hundred times what sums of
float32 in another order do."""
FLOOR = 0.1
"""Scores below it are measured against it: they may differ by 1e-5, and no probability does by more then."""
AT_ONCE = 8
"""Images in a batch: enough to show a difference, few enough for a small machine's memory."""

Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Answers:
    """A net's scores of some images."""

    alone: Scores
    """(N, K), each image computed alone."""
    difference: float
    """The largest between those and the same images' scores in a batch, as a share of the largest score;
    infinite where only one of two is a number."""

    @property
    def alike(self) -> bool:
        """Whether the batch makes no difference."""
        return self.difference <= ALIKE


def ask(net: DeployNet, images: NDArray[np.float32], blob: str) -> Answers:
    """Return a blob's scores of images (N, C, H, W), computed alone and in batches in reverse order.

    A single image is batched with its negative.
    """
    count = len(images)
    batch = images if count > 1 else np.concatenate([images, -images])
    alone = net.forward(images, [blob], at_once=1)[blob].reshape(count, -1)
    together = net.forward(batch[::-1], [blob], at_once=AT_ONCE)[blob].reshape(len(batch), -1)
    return Answers(alone, difference(alone, together[::-1][:count]))


def depends_on_company(net: DeployNet, images: NDArray[np.float32], blob: str) -> bool:
    """Return whether an image's scores depend on the other images in a batch of the same size.

    Where they do not, a difference from the scores alone comes from the order of sums, which depends on the
    batch size, with numbers so large that float32 keeps no digits of their sums.
    """
    batch = images if len(images) > 1 else np.concatenate([images, -images])
    for first in range(0, len(batch), AT_ONCE):
        together = batch[first : first + AT_ONCE]
        count = len(together)
        among_others = net.forward(together, [blob], at_once=count)[blob].reshape(count, -1)
        for row, image in enumerate(together):
            copies = np.repeat(image[np.newaxis], count, axis=0)
            among_copies = net.forward(copies, [blob], at_once=count)[blob].reshape(count, -1)
            if difference(among_copies[[row]], among_others[[row]]) > ALIKE:
                return True
    return False


def difference(scores: Scores, others: Scores) -> float:
    """Return the largest difference between scores (N, K), as a share of the largest of either."""
    real = np.isfinite(scores)
    if not np.array_equal(real, np.isfinite(others)):
        return float("inf")
    both = np.where(real, scores, 0), np.where(real, others, 0)
    largest = max(FLOOR, *(float(np.abs(each).max()) for each in both))
    return float(np.abs(both[0] - both[1]).max()) / largest
