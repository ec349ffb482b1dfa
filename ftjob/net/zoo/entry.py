"""A zoo net's facts besides its layers."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ZooNet:
    """One built-in net: facts a spec or a plan needs before its layers."""

    name: str
    channels: int
    crop: int
    """Side in pixels of the square its input is."""
    mean: tuple[float, ...]
    """Per channel (BGR, 0 to 255), subtracted from every pixel; empty for none."""
    scale: float
    """Multiplied after the mean is subtracted."""
    classes: int
    """Of the published weights: num_output of its classifiers as it is built."""
    description: str
    weights: str
    """The published caffemodel whose layer names and shapes it has; empty where none is usual."""
