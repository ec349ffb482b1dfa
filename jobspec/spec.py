"""The job spec: one fine-tune, in the order its user writes it."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobspec.fields import (
    Auto,
    Channels,
    DnsLabel,
    Fraction,
    IterationCount,
    IterationsOrPercent,
    LayerGlob,
    Location,
    Momentum,
    NonNegative,
    Positive,
)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Base(_Part):
    """What is fine-tuned."""

    net: Location
    """A built-in net, or the path or URI of a classification prototxt (train_val or deploy)."""
    weights: Location | None = None
    """A caffemodel's path or URI, or `run:NAME[@ITERATION]`; without it the net is trained from scratch."""


class FreezeUpTo(_Part):
    """Freeze a layer and everything it is computed from."""

    up_to: str
    """A layer's name, or the prefix its layers share, such as `inception_4e`."""


class FreezeLayers(_Part):
    """Freeze the layers that match."""

    layers: Annotated[list[LayerGlob], Field(min_length=1)]


class Surgery(_Part):
    """How the base net is changed before training."""

    heads: Auto | Annotated[list[LayerGlob], Field(min_length=1)] = "auto"
    """The classifiers that are renamed and get `num_output`: all that are found, or a list of layer names."""
    num_output: Auto | Annotated[int, Field(ge=2)] = "auto"
    """The number of classes; auto takes it from the data."""
    relearn: list[LayerGlob] = []
    """Further layers to rename and start afresh."""
    freeze: FreezeUpTo | FreezeLayers | Literal["none"] = "none"
    """Layers whose weights stay as they are: lr_mult 0 and decay_mult 0."""
    head_lr_mult: NonNegative = 10.0
    """lr_mult of the new layers' weights; their biases get twice that, as Caffe's recipes do."""


class Data(_Part):
    """What it is trained on."""

    train: Location
    """An LMDB of Datum, or a folder with one folder of images per class."""
    val: Location | None = None
    val_split: Fraction | None = None
    """The share of `train` that is kept for validation, where there is no `val` (folders of images only)."""
    mean: Literal["auto", "none"] | Channels | Location = "auto"
    """Subtracted from every image: auto (from the data), one number per channel (BGR), or a .binaryproto."""
    scale: Positive = 1.0
    """Multiplied after the mean is subtracted, as Caffe's transform_param does."""
    resize: Annotated[int, Field(ge=1)] | None = None
    """Side in pixels of the stored square images, when `train` is a folder of images; default: 256, or `crop`
    where that is larger."""
    crop: Annotated[int, Field(ge=1)] | None = None
    mirror: bool = False
    batch_size: Annotated[int, Field(ge=1)] = 32

    @model_validator(mode="after")
    def _val_is_said_once(self) -> Self:
        if (self.val is None) == (self.val_split is None):
            raise ValueError("give exactly one of val (a dataset) and val_split (a share of train)")
        return self


class Solver(_Part):
    """Caffe's SolverParameter: its names, its defaults where it has them."""

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    base_lr: Positive = 0.001
    lr_policy: Literal["fixed", "step", "multistep", "exp", "inv", "poly", "sigmoid"] = "step"
    gamma: Positive = 0.1
    power: Positive = 1.0
    stepsize: IterationsOrPercent = "33%"
    stepvalue: list[IterationsOrPercent] = []
    momentum: Momentum = 0.9
    momentum2: Momentum = 0.999
    rms_decay: Momentum = 0.99
    delta: Positive = 1e-8
    weight_decay: NonNegative = 0.0005
    regularization_type: Literal["L1", "L2"] = "L2"
    clip_gradients: Positive | None = None
    iter_size: Annotated[int, Field(ge=1)] = 1
    epochs: Positive | None = None
    """Passes over the training data; 10 where neither this nor max_iter is given."""
    max_iter: IterationCount | None = None
    test_interval: IterationsOrPercent | None = None
    """Iterations between two tests; default: one epoch."""
    snapshot: IterationsOrPercent | None = None
    """Iterations between two snapshots; default: one epoch."""
    display: Annotated[int, Field(ge=1)] = 20
    """Iterations between two lines of the log; metrics keep every iteration."""
    random_seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.max_iter is not None:
            raise ValueError("give epochs or max_iter, not both")
        if self.lr_policy == "multistep" and not self.stepvalue:
            raise ValueError("lr_policy multistep needs stepvalue, a list such as [50%, 85%]")
        return self


class Resources(_Part):
    """Where it runs."""

    node: str = "local"
    """A node profile: GPU, memory, price (see `ftjob nodes`)."""
    spot: bool = False


class Budget(_Part):
    """What may be spent over all attempts; reached = snapshot, evaluate, bundle, stop."""

    usd: Positive | None = None
    hours: Positive | None = None


class Accept(_Part):
    """What the result must reach, for a CI run to pass."""

    accuracy: Annotated[float, Field(ge=0, le=1)] | None = None
    not_below: Location | None = None
    """A run, as `run:NAME`, whose accuracy must not be undercut."""


class JobSpec(_Part):
    """A whole fine-tune. Everything but name, base, data and output has a default that works."""

    name: DnsLabel
    base: Base
    surgery: Surgery = Surgery()
    data: Data
    solver: Solver = Solver()
    engine: Literal["auto", "caffe", "torch"] = "auto"
    resources: Resources = Resources()
    budget: Budget = Budget()
    accept: Accept = Accept()
    output: Location

    def canonical(self) -> dict[str, Any]:
        """Return the spec as plain values with every default filled in: the same spec, the same dict."""
        return self.model_dump(mode="json")
