"""Whether the mean that is subtracted is the mean of the images."""

from pathlib import Path

from ftjob.data.facts import DatasetFacts
from ftjob.data.findings import Finding
from ftjob.data.folder import DatasetFolder
from ftjob.data.survey import Survey
from ftjob.errors import BadDataError
from ftjob.mean import read_mean_image

CLOSE = 1.0
"""Grey levels by which a recorded mean may differ from the images, as JPEG and rounding make it."""
FAR = 30.0
"""Grey levels by which a mean of other images, such as ImageNet's, usually differs at most."""


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
    mean = read_mean_image(path)
    if mean.shape != (facts.channels, facts.height, facts.width):
        raise BadDataError(
            f"{path}: is a mean of shape {mean.shape}, the images of {facts.location} are "
            f"({facts.channels}, {facts.height}, {facts.width}): make it again from these images"
        )
    return tuple(float(value) for value in mean.mean(axis=(1, 2), dtype="f8"))


def mean_findings(found: Survey, facts: DatasetFacts, given: tuple[float, ...]) -> list[Finding]:
    """Compare the mean of the images with the one beside them, and with the one that is to be subtracted."""
    real = found.mean()
    if not real:
        return []
    try:
        recorded = recorded_mean(facts)
    except BadDataError as error:
        return [Finding("error", facts.location, str(error))]
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


def _distance(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    if len(other) == 1:
        other = other * len(one)
    return max((abs(a - b) for a, b in zip(one, other, strict=False)), default=0.0)


def _text(mean: tuple[float, ...]) -> str:
    return "/".join(f"{value:.1f}" for value in mean)
