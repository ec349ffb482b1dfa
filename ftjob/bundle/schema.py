"""The documents of a bundle: names, types and ranges."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field, StringConstraints

LARGEST_SIDE = 2**16 - 1
"""Pixels: of an image of JPEG."""
MOST_GOLDEN = 64
"""Golden images; ftjob itself stores 16 at most."""
LARGEST_SCORES = 8 * 2**20
"""Bytes of golden/scores.json."""
FLOAT_MAX = 3.4e38

Channels = Annotated[int, Field(strict=True, ge=1, le=3)]
Side = Annotated[int, Field(strict=True, ge=1, le=LARGEST_SIDE)]
Number = Annotated[float, Field(strict=True, ge=-FLOAT_MAX, le=FLOAT_MAX, allow_inf_nan=False)]
Label = Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)]
Name = Annotated[str, StringConstraints(strict=True, pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
"""Of a file in a folder; it cannot lead out of it."""
Key = Annotated[str, StringConstraints(strict=True, pattern=r"^(golden/)?[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$")]
"""Of a file in a bundle, counted from its root."""
MeanFile = Annotated[str, StringConstraints(strict=True, pattern=r"^mean\.binaryproto$")]
Sha256 = Annotated[str, StringConstraints(strict=True, pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, kw_only=True)
class BundleManifest:
    """manifest.json: the run that a bundle came from, and what it holds."""

    name: Annotated[str, StringConstraints(strict=True)] = ""
    run_id: Annotated[str, StringConstraints(strict=True)] = ""
    iteration: Annotated[int, Field(strict=True, ge=0, le=2**31 - 1)] | None = None
    accuracy: Annotated[float, Field(strict=True, ge=0, le=1, allow_inf_nan=False)] | None = None
    files: Annotated[dict[Key, Sha256], Field(min_length=1, max_length=MOST_GOLDEN + 16)]
    """The digest of every file but the manifest."""


@dataclass(frozen=True)
class GoldenImage:
    """One image, and its scores from where the bundle was made."""

    image: Name
    """In golden/."""
    label: Label
    scores: Annotated[tuple[Number, ...], Field(min_length=1, fail_fast=True)]


@dataclass(frozen=True)
class GoldenScores:
    """golden/scores.json: every image has as many scores."""

    blob: Annotated[str, StringConstraints(strict=True, min_length=1, max_length=1000)]
    """The net's blob with the scores."""
    images: Annotated[tuple[GoldenImage, ...], Field(min_length=1, max_length=MOST_GOLDEN, fail_fast=True)]

    def __post_init__(self) -> None:
        if len({len(each.scores) for each in self.images}) > 1:
            raise ValueError("the images have different numbers of scores")
        if len({each.image for each in self.images}) < len(self.images):
            raise ValueError("an image is named twice")

    @property
    def classes(self) -> int:
        """Scores of each image."""
        return len(self.images[0].scores)
