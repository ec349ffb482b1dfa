"""The mean of a dataset's images: measured, recorded beside them, and held against one to be subtracted."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.findings import Finding, error
from ftjob.dataset.folder import DatasetFolder
from ftjob.dataset.lmdb.read import records
from ftjob.errors import BadDataError

CLOSE = 1.0
"""Grey levels by which a recorded mean may differ from the images, as JPEG and rounding make it."""
FAR = 30.0
"""Grey levels by which a mean of other images, such as ImageNet's, usually differs at most."""


class ChannelSums:
    """Adds up the pixels of images, each channel for itself."""

    def __init__(self) -> None:
        self._sums: list[float] = []
        self._pixels = 0

    def add(self, sums: Sequence[float], pixels: int) -> None:
        """Add an image of so many pixels; a channel that the first image had not does not count."""
        self._sums = self._sums or [0.0] * len(sums)
        for channel, more in enumerate(sums[: len(self._sums)]):
            self._sums[channel] += more
        self._pixels += pixels

    def mean(self) -> tuple[float, ...]:
        """Return the mean of each channel; nothing without an image."""
        return tuple(total / self._pixels for total in self._sums)


def measured_mean(location: Path) -> tuple[float, ...]:
    """Return the mean of each channel (BGR) over all pixels of all records. Raises BadDataError."""
    import cv2  # here, because it is slow to import

    sums = ChannelSums()
    for record in records(location):
        height, width, channels = record.image.shape
        sums.add(cv2.sumElems(record.image)[:channels], height * width)
    return sums.mean()


def recorded_mean(facts: DatasetFacts) -> tuple[float, ...]:
    """Return the mean per channel that stands beside a dataset: in the manifest, else in mean.binaryproto.

    Empty where there is neither. Raises BadDataError for a mean image of another size.
    """
    if facts.mean:
        return facts.mean
    for folder in (facts.path, facts.path.parent):
        path = DatasetFolder(folder).mean
        if path.is_file():
            return _channel_means(path, facts)
    return ()


def _channel_means(path: Path, facts: DatasetFacts) -> tuple[float, ...]:
    from ftjob.dataset.mean_image import read_mean_image  # here, because numpy is slow to import

    mean = read_mean_image(path)
    if mean.shape != (facts.channels, facts.height, facts.width):
        raise BadDataError(
            f"{path}: is a mean of shape {mean.shape}, the images of {facts.location} are "
            f"({facts.channels}, {facts.height}, {facts.width}): make it again from these images"
        )
    return tuple(float(value) for value in mean.mean(axis=(1, 2), dtype="f8"))


def mean_findings(real: tuple[float, ...], facts: DatasetFacts, given: tuple[float, ...]) -> list[Finding]:
    """Compare the mean of the images with the one beside them, and with the one that is to be subtracted."""
    if not real:
        return []
    try:
        recorded = recorded_mean(facts)
    except BadDataError as wrong:
        return [error(facts, str(wrong))]
    findings = []
    if recorded and _distance(real, recorded) > CLOSE:
        findings.append(
            Finding(
                "error",
                facts.location,
                f"the recorded mean is {_text(recorded)}, that of the images {_text(real)}: "
                "make the mean again from these images",
            )
        )
    if given and _distance(real, given) > FAR:
        findings.append(
            Finding(
                "warning",
                facts.location,
                f"data.mean is {_text(given)}, that of the images {_text(real)}: "
                "mind the order, which is BGR, and the range, which is 0 to 255",
            )
        )
    return findings


def mean_image_findings(
    datasets: Iterable[DatasetFacts], shape: tuple[int, ...], location: str
) -> Iterator[Finding]:
    """Yield an error for every dataset with images of another shape than a mean image's, (C, H, W)."""
    for facts in datasets:
        others = facts.others.first if facts.others else facts.size
        for image in (facts.size, others):
            own = (facts.channels, image.height, image.width)
            if own != shape:
                which = f"the image of record {image.key} is" if image.key else "images are"
                yield error(
                    facts,
                    f"{which} of shape {own}, and {location} is a mean of {shape}: make the mean of these "
                    "images, all in one size",
                )
                break


def _distance(mean: tuple[float, ...], other: tuple[float, ...]) -> float:
    if len(other) == 1:
        other = other * len(mean)
    return max((abs(a - b) for a, b in zip(mean, other, strict=False)), default=0.0)


def _text(mean: tuple[float, ...]) -> str:
    return "/".join(f"{value:.1f}" for value in mean)
