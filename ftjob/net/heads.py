"""A classifier of a net: the layer that has one output per class, and what hangs on it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Head:
    """One classifier, as it stands in the net after surgery."""

    layer: str
    """Its name now, such as `loss3/classifier_emotions`."""
    source: str
    """Its name in the base net."""
    score: str
    """The blob of class scores it makes, before any softmax, in the TRAIN and TEST nets."""
    label: str
    """The label blob its loss is computed with."""
    loss_weight: float
    main: bool
    """The one that deploy keeps and accuracy is told of: the last of those with the largest loss weight."""
