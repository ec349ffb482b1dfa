"""The job spec: one fine-tune, in the order its user writes it."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from jobspec.fields import (
    INT32_MAX,
    MOST_CLASSES,
    Accuracy,
    Auto,
    Channels,
    Count,
    DnsLabel,
    Dollars,
    Epochs,
    Hours,
    Images,
    IterationsOrPercent,
    LayerGlobs,
    LayerName,
    Location,
    MeanFile,
    Minutes,
    Momentum,
    NodeName,
    NonNegative,
    Off,
    Percent,
    Positive,
    Run,
    Side,
    Split,
    Weights,
    iterations,
    mistake,
    must_be,
)

# Caffe ends with "Momentum cannot be used with ..." (sgd_solvers.hpp, constructor_sanity_check).
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
# The default gamma is a step's; in these policies it would end or turn round the learning within seconds.
GAMMA_OF_ITS_OWN = {"exp": "0.9999", "inv": "0.0001", "sigmoid": "0.01"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Base(_Part):
    """What is fine-tuned."""

    net: Location
    """The network: a built-in one such as `googlenet`, or the path or URI of any classification prototxt
    (train_val or deploy)."""
    weights: (
        Annotated[Weights, must_be("a caffemodel's path or URI, run:NAME or run:NAME@ITERATION")] | None
    ) = None
    """The weights to begin with: a caffemodel's path or URI, `run:NAME` (the best snapshot of an earlier run)
    or `run:NAME@ITERATION`. Without them the net is trained from scratch."""


class FreezeUpTo(_Part):
    """Freeze a layer and everything it is computed from."""

    up_to: LayerName
    """A layer's name, or the prefix its layers share, such as `inception_4e`."""


class FreezeLayers(_Part):
    """Freeze the layers that match."""

    layers: Annotated[LayerGlobs, Field(min_length=1)]
    """Layer names, in which `*` stands for any letters, such as `[conv1*, conv2*]`."""


class Surgery(_Part):
    """How the base net is changed before training."""

    heads: Annotated[
        Auto | Annotated[LayerGlobs, Field(min_length=1)],
        must_be("auto or a list of layer names, such as [loss3/classifier]", "auto"),
    ] = "auto"
    """The classifiers that are renamed and get `num_output`: all that are found, or a list of layer names."""
    num_output: Annotated[
        Auto | Annotated[int, Field(ge=2, le=MOST_CLASSES)],
        must_be(f"auto or a number of classes from 2 to {MOST_CLASSES:,}", "auto"),
    ] = "auto"
    """The number of classes; `auto` takes it from the data."""
    relearn: LayerGlobs = []
    """Further layers that are renamed and start afresh; `*` stands for any letters."""
    freeze: Annotated[
        FreezeUpTo | FreezeLayers | Literal["none"],
        must_be("none, {up_to: LAYER} or {layers: [LAYER, ...]}", "none", "up_to", "layers"),
    ] = "none"
    """Layers whose weights stay as they are (lr_mult 0 and decay_mult 0): `{up_to: LAYER}`, the layer and
    everything it is computed from, or `{layers: [LAYER, ...]}`, or `none`."""
    head_lr_mult: Positive = 10.0
    """lr_mult of the new layers' weights; their biases get twice that, as Caffe's recipes do."""


class Data(_Part):
    """What it is trained on."""

    train: Location
    """What is trained on: an LMDB of Datum, or a folder with one folder of images per class."""
    val: Location | None = None
    """What is tested on: an LMDB or folder as `train`. Give either this or `val_split`."""
    val_split: Split | None = None
    """The share of `train` that is kept for validation, where there is no `val` (folders of images only)."""
    mean: Annotated[
        Literal["auto", "none"] | Channels | MeanFile,
        must_be(
            "auto, none, a list such as [104, 117, 123] (BGR) or the path of a .binaryproto", "auto", "none"
        ),
    ] = "auto"
    """What is subtracted from every image: `auto` (from the data), `none`, one number for all channels or one
    for each (BGR), or the path or URI of a .binaryproto."""
    scale: Positive = 1.0
    """Factor on every value after the mean is subtracted, as in Caffe's transform_param."""
    resize: Side | None = None
    """Side in pixels of the stored square images, when `train` is a folder of images. Without it: 256, or
    `crop` where that is larger."""
    crop: Side | None = None
    """Side in pixels of the square that is cut out: at random in training, from the centre in tests."""
    mirror: bool = False
    """Whether images are mirrored at random in training."""
    batch_size: Images = 32
    """Images per forward pass; memory decides `batch_size` times `solver.iter_size`."""

    @model_validator(mode="after")
    def _val_is_given_once(self) -> Self:
        if (self.val is None) == (self.val_split is None):
            raise mistake("give exactly one of val (a dataset) and val_split (a share of train)")
        if self.val == self.train:
            raise mistake("is the same as data.train; a net is tested on images it has not seen", "val")
        return self

    @model_validator(mode="after")
    def _crop_fits(self) -> Self:
        if self.crop and self.resize and self.crop > self.resize:
            raise mistake(
                f"must be {self.resize} or less, the size of the resized images, got {self.crop}", "crop"
            )
        return self


class Solver(_Part):
    """Caffe's SolverParameter: its names, and its defaults where it has them."""

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    """How gradients become updates; Caffe's six solvers."""
    base_lr: Positive = 0.001
    """The learning rate to begin with; a fine-tune takes a tenth of what the base net was trained with."""
    lr_policy: Literal["fixed", "step", "multistep", "exp", "inv", "poly", "sigmoid"] = "step"
    """How the learning rate falls: Caffe's policies."""
    gamma: Positive = 0.1
    """The factor of a step; of lr_policy exp, inv and sigmoid it must be given, since no value fits all runs
    (sigmoid rises: Caffe ends over the negative one that would make it fall)."""
    power: Positive = 1.0
    """The exponent of lr_policy inv and poly."""
    stepsize: IterationsOrPercent = "33%"
    """Iterations, or the share of the run, between two steps of lr_policy step; the middle of sigmoid."""
    stepvalue: Annotated[list[IterationsOrPercent], Field(max_length=1000)] = []
    """Where the steps of lr_policy multistep are: iterations or shares of the run, such as `[50%, 85%]`."""
    momentum: Momentum = 0.9
    """The share of the last update that goes into the next; 0 with AdaGrad and RMSProp, which have none."""
    momentum2: Momentum = 0.999
    """The decay of Adam's second moment."""
    rms_decay: Momentum = 0.99
    """The decay of RMSProp's mean of squares."""
    delta: Positive = 1e-8
    """What keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero."""
    weight_decay: NonNegative = 0.0005
    """Factor of the regularization."""
    regularization_type: Literal["L1", "L2"] = "L2"
    """The norm of the weights that is added to the loss."""
    clip_gradients: Positive | None = None
    """The largest L2 norm of all gradients together; larger ones are scaled down to it."""
    iter_size: Images = 1
    """Forward passes whose gradients are added up into one iteration."""
    epochs: Epochs | None = None
    """Passes over the training data: give this or `max_iter`; 10 where neither is given."""
    max_iter: Count | None = None
    """Iterations of the whole run."""
    test_interval: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two tests. Without it: one epoch."""
    snapshot: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two snapshots. Without it: one epoch."""
    display: Count = 20
    """Iterations between two lines of the log; metrics keep every iteration."""
    random_seed: Annotated[int, Field(ge=0, le=INT32_MAX)] = 1
    """Where Caffe's random numbers begin: fillers, crops, mirrors and dropout."""

    @model_validator(mode="before")
    @classmethod
    def _without_momentum(cls, values: Any) -> Any:
        if isinstance(values, Mapping) and values.get("type") in WITHOUT_MOMENTUM:
            return {"momentum": 0.0, **values}
        return values

    @model_validator(mode="after")
    def _type_has_momentum(self) -> Self:
        if self.type in WITHOUT_MOMENTUM and self.momentum:
            raise mistake(f"cannot be used with type {self.type}; remove it", "momentum")
        return self

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if self.epochs is not None and self.max_iter is not None:
            raise mistake("give epochs or max_iter, not both")
        return self

    @model_validator(mode="after")
    def _gamma_fits(self) -> Self:
        example = GAMMA_OF_ITS_OWN.get(self.lr_policy)
        if example and "gamma" not in self.model_fields_set:
            raise mistake(
                f"is missing; lr_policy {self.lr_policy} needs one of its own, such as {example}", "gamma"
            )
        return self

    @model_validator(mode="after")
    def _stepvalue_fits(self) -> Self:
        if (self.lr_policy == "multistep") != bool(self.stepvalue):
            if self.stepvalue:
                raise mistake(f"is for lr_policy multistep, and lr_policy is {self.lr_policy}", "stepvalue")
            raise mistake("is missing; lr_policy multistep needs a list such as [50%, 85%]", "stepvalue")
        steps = self.stepvalue
        for before, after in pairwise(steps):
            if not self._is_before(before, after):
                raise mistake(f"must be ascending, got {before} before {after}", "stepvalue")
        return self

    def _is_before(self, left: int | str, right: int | str) -> bool:
        """Whether one step comes before another; true where a count meets a share of a length unknown yet."""
        if isinstance(left, int) == isinstance(right, int):
            return iterations(left, 10**15) < iterations(right, 10**15)
        return self.max_iter is None or iterations(left, self.max_iter) < iterations(right, self.max_iter)


class Resources(_Part):
    """Where it runs."""

    node: NodeName = "local"
    """A node profile: GPU, memory, price. `local` is the machine ftjob is called on."""
    spot: Annotated[bool | Literal["prefer"], must_be("true, false or prefer", "true", "false", "prefer")] = (
        False
    )
    """Whether the node may be a spot instance, cheaper and taken away at times; the run resumes elsewhere.
    With `prefer`, a run that lost two within an hour continues on demand, if its budget pays for that."""
    max_pending: Hours = 24.0
    """Hours that a pod may wait for a node, its image or a volume before the run gives up."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How often an attempt that failed by itself is tried again without a new snapshot in between; attempts
    that were taken away (spot, eviction, a lost node) do not count."""
    smaller_batch: bool = True
    """Whether a batch that does not fit the GPU's memory after all is halved and `solver.iter_size` doubled,
    as often as needed; one iteration is still made from as many images."""

    @property
    def begins_on_spot(self) -> bool:
        """Whether the first attempt is on a spot instance."""
        return self.spot is not False


class Budget(_Part):
    """What may be spent over all attempts; reached = snapshot, evaluate, bundle, stop."""

    usd: Dollars | None = None
    """Dollars, at the node profile's price."""
    hours: Hours | None = None
    """Hours of the node's time."""


class Guards(_Part):
    """What ends a run that is not worth its money any more; `false` switches one off."""

    diverged: bool = True
    """Whether the run fails when its loss is NaN, infinite or 87.3365 (Caffe's largest softmax loss)."""
    not_learning: Annotated[
        Count | Percent | Off,
        must_be("a number of iterations, a share of the run such as 25%, or false", "false"),
    ] = "25%"
    """By when the validation images must be answered better than by chance: an iteration, or a share of the
    run, which is at least one epoch and 100 iterations; else the run fails."""
    patience: Annotated[Count | Off, must_be("a number of tests, 1 or more, or false", "false")] = False
    """Tests in a row without a better accuracy after which the run ends, its best snapshot being the result.
    A fall of the learning rate begins the count again."""
    idle_minutes: Annotated[Minutes | Off, must_be("a number of minutes above 0, or false", "false")] = 15.0
    """Minutes for which the GPU may do nothing while training is due, or the engine may be silent, before the
    run is stopped."""


class Accept(_Part):
    """What the result must reach, for a CI run to pass."""

    accuracy: Accuracy | None = None
    """The least top-1 accuracy on `data.val`, from 0 to 1."""
    not_below: Run | None = None
    """An earlier run, as `run:NAME`, whose accuracy must not be undercut."""


class JobSpec(_Part):
    """A whole fine-tune. Everything but name, base, data and output has a default that works."""

    name: DnsLabel
    """The run's name: lower-case letters, digits and dashes, at most 40."""
    base: Base
    """What is fine-tuned: `net` and `weights`."""
    surgery: Surgery = Surgery()
    """How the base net is changed before training."""
    data: Data
    """What it is trained on: `train`, and `val` or `val_split`."""
    solver: Solver = Solver()
    """How it is trained, in Caffe's names."""
    engine: Literal["auto", "caffe", "torch"] = "auto"
    """The training engine: `auto` takes caffe where the node's GPU is of its time, else torch."""
    resources: Resources = Resources()
    """Where it runs."""
    budget: Budget = Budget()
    """What may be spent over all attempts."""
    guards: Guards = Guards()
    """What ends a run that is not worth its money any more."""
    accept: Accept = Accept()
    """What the result must reach, for a CI run to pass."""
    output: Location
    """The folder or URI under which runs are kept, as `<output>/<name>/<run id>/`."""

    def canonical(self) -> dict[str, Any]:
        """Return the spec as plain values with every default filled in: the same spec, the same dict."""
        return self.model_dump(mode="json")


FREE_SECTIONS = ("resources", "budget", "guards", "accept")
"""What may change while a run is in progress; the rest is the run's identity."""
