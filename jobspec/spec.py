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
    Baseline,
    Channels,
    Count,
    DnsLabel,
    Dollars,
    Epochs,
    File,
    Hours,
    Images,
    IterationsOrPercent,
    LayerGlobs,
    LayerName,
    Location,
    Margin,
    MeanFile,
    Minutes,
    Momentum,
    NodeName,
    NonNegative,
    Off,
    Percent,
    PinnedAlias,
    Positive,
    Side,
    Split,
    Weights,
    iterations,
    mistake,
    must_be,
)

# Caffe ends with "Momentum cannot be used with ..." (sgd_solvers.hpp, constructor_sanity_check).
WITHOUT_MOMENTUM = ("AdaGrad", "RMSProp")
MOST_GPUS = 64
# The default gamma is a step's; in these policies it would stop or reverse learning within seconds.
GAMMA_OF_ITS_OWN = {"exp": "0.9999", "inv": "0.0001", "sigmoid": "0.01"}


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


class Base(_Part):
    """The net to fine-tune."""

    net: File
    """The network: a built-in one such as `googlenet`, or the path or URI of any classification prototxt
    (train_val or deploy). One of the web is `https://…#sha256=…`."""
    weights: Weights | None = None
    """The initial weights: a caffemodel's path or URI, also `https://…#sha256=…`; `known:NAME` (published
    ones, such as `known:bvlc_googlenet`); `run:NAME` (the best snapshot of an earlier run),
    `run:NAME@ITERATION`, or `alias:NAME` (the run promoted to that alias). Without them the net is trained
    from scratch."""
    weights_from: PinnedAlias | None = None
    """Written by ftjob where `weights` was an alias: the promotion that it meant when the run was submitted,
    such as `alias:faces@7`. It decides nothing."""


class FreezeUpTo(_Part):
    """Freeze a layer and all layers it depends on."""

    up_to: LayerName
    """The name of a layer, or the prefix shared by several, such as `inception_4e`."""


class FreezeLayers(_Part):
    """Freeze the layers that match."""

    layers: Annotated[LayerGlobs, Field(min_length=1)]
    """Layer names; `*` matches any characters, as in `[conv1*, conv2*]`."""


class Surgery(_Part):
    """Changes to the base net before training."""

    heads: Annotated[
        Auto | Annotated[LayerGlobs, Field(min_length=1)],
        must_be("auto or a list of layer names, such as [loss3/classifier]", "auto"),
    ] = "auto"
    """The classifiers to rename and resize to `num_output`: `auto` finds them all, or list their layers."""
    num_output: Annotated[
        Auto | Annotated[int, Field(ge=2, le=MOST_CLASSES)],
        must_be(f"auto or a number of classes from 2 to {MOST_CLASSES:,}", "auto"),
    ] = "auto"
    """The number of classes; `auto` takes it from the data."""
    relearn: LayerGlobs = []
    """Other layers to rename and train from scratch; `*` matches any characters."""
    freeze: Annotated[
        FreezeUpTo | FreezeLayers | Literal["none"],
        must_be("none, {up_to: LAYER} or {layers: [LAYER, ...]}", "none", "up_to", "layers"),
    ] = "none"
    """Layers whose weights do not change (lr_mult 0 and decay_mult 0): `{up_to: LAYER}`, the layer and all
    layers it depends on, or `{layers: [LAYER, ...]}`, or `none`."""
    head_lr_mult: Positive = 10.0
    """lr_mult of the new layers' weights; their biases get twice that, as in Caffe's recipes."""


class Data(_Part):
    """The training and validation images."""

    train: Location
    """The training data: an LMDB of Datum, or a folder with one folder of images per class."""
    val: Location | None = None
    """The validation data: an LMDB or a folder, like `train`. Give either this or `val_split`."""
    val_split: Split | None = None
    """The share of `train` to hold out for validation if there is no `val` (folders of images only)."""
    mean: Annotated[
        Literal["auto", "none"] | Channels | MeanFile,
        must_be(
            "auto, none, a list such as [104, 117, 123] (BGR) or the path of a .binaryproto", "auto", "none"
        ),
    ] = "auto"
    """The mean to subtract from every image: `auto` (from the data), `none`, one number for all channels or
    one for each (BGR), or the path or URI of a .binaryproto, also `https://…#sha256=…`."""
    scale: Positive = 1.0
    """Every value is multiplied by this after the mean is subtracted, as in Caffe's transform_param."""
    resize: Side | None = None
    """Side in pixels of the stored square images, if `train` is a folder of images. Default: 256, or `crop`
    if that is larger."""
    crop: Side | None = None
    """Side in pixels of the square cut from each image: at random in training, from the centre in tests."""
    random_crop: bool = True
    """Whether training cuts its squares at random; `false` takes the centre, as tests do, so that a frozen
    trunk makes the same of an image every time and can be computed once (torch engine)."""
    mirror: bool = False
    """Whether to mirror images at random in training."""
    batch_size: Images = 32
    """Images per forward pass and GPU, limited by memory; an iteration has `batch_size` times
    `solver.iter_size` times `solver.gpus`."""

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
    """Caffe's SolverParameter: the same names, and the same defaults where it has any."""

    type: Literal["SGD", "Nesterov", "AdaGrad", "RMSProp", "AdaDelta", "Adam"] = "SGD"
    """How gradients become updates: one of Caffe's six solvers."""
    base_lr: Positive = 0.001
    """The initial learning rate; for fine-tuning, a tenth of the rate the base net was trained with."""
    lr_policy: Literal["fixed", "step", "multistep", "exp", "inv", "poly", "sigmoid"] = "step"
    """How the learning rate falls: one of Caffe's policies."""
    gamma: Positive = 0.1
    """The factor of a step. Required for lr_policy exp, inv and sigmoid, since no default fits all runs
    (sigmoid rises: Caffe aborts on the negative value that would make it fall)."""
    power: Positive = 1.0
    """The exponent in lr_policy inv and poly."""
    stepsize: IterationsOrPercent = "33%"
    """Iterations, or the share of the run, between two steps of lr_policy step; the midpoint of sigmoid."""
    stepvalue: Annotated[list[IterationsOrPercent], Field(max_length=1000)] = []
    """When lr_policy multistep takes its steps: iterations or shares of the run, such as `[50%, 85%]`."""
    momentum: Momentum = 0.9
    """The share of the last update added to the next; 0 with AdaGrad and RMSProp, which have no momentum."""
    momentum2: Momentum = 0.999
    """The decay of Adam's second moment."""
    rms_decay: Momentum = 0.99
    """The decay of RMSProp's mean of squared gradients."""
    delta: Positive = 1e-8
    """A small number that keeps AdaGrad, RMSProp, AdaDelta and Adam from dividing by zero."""
    weight_decay: NonNegative = 0.0005
    """The weight of the regularization."""
    regularization_type: Literal["L1", "L2"] = "L2"
    """The norm of the weights to add to the loss."""
    clip_gradients: Positive | None = None
    """The largest L2 norm of all gradients together; larger gradients are scaled down to it."""
    iter_size: Images = 1
    """Forward passes per iteration; their gradients are added up."""
    gpus: Annotated[int, Field(ge=1, le=MOST_GPUS)] = 1
    """GPUs of the node that train together (torch engine). Each takes `data.batch_size` images per pass and
    their gradients are averaged, as with `caffe train -gpu`; `base_lr` stays as it is."""
    epochs: Epochs | None = None
    """Passes over the training data: give this or `max_iter`; 10 if you give neither."""
    max_iter: Count | None = None
    """Iterations of the whole run."""
    test_interval: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two tests. Default: one epoch."""
    snapshot: IterationsOrPercent | None = None
    """Iterations, or the share of the run, between two snapshots. Default: one epoch."""
    display: Count = 20
    """Iterations between two lines of the log; the metrics have every iteration."""
    random_seed: Annotated[int, Field(ge=0, le=INT32_MAX)] = 1
    """The seed of Caffe's random numbers: fillers, crops, mirrors and dropout."""
    precision: Literal["auto", "fp32", "tf32", "bf16", "fp16"] = "auto"
    """What the torch engine multiplies in; weights, losses and snapshots are always fp32. `auto`: bf16 on
    GPUs of compute capability 8.0 (Ampere) and newer; fp32 on older ones, on processors and with Caffe."""

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
        """Whether one step is before another; true for a count and a share if the run's length is unknown."""
        if isinstance(left, int) == isinstance(right, int):
            return iterations(left, 10**15) < iterations(right, 10**15)
        return self.max_iter is None or iterations(left, self.max_iter) < iterations(right, self.max_iter)


class Resources(_Part):
    """Where to run, and how often to retry."""

    node: NodeName = "local"
    """A node profile: GPU, memory, price. `local` is the machine you call ftjob on."""
    spot: Annotated[bool | Literal["prefer"], must_be("true, false or prefer", "true", "false", "prefer")] = (
        False
    )
    """Whether to use a spot instance: cheaper, but it may be taken away, and the run resumes elsewhere.
    With `prefer`, a run that loses two within an hour continues on demand, if its budget pays for that."""
    max_pending: Hours = 24.0
    """Hours a pod may wait for a node, its image or a volume before the run gives up."""
    max_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """How many failed attempts in a row, without a new snapshot in between, are retried; attempts that were
    taken away (spot, eviction, a lost node) do not count."""
    smaller_batch: bool = True
    """Whether to halve a batch that turns out not to fit the GPU's memory, and double `solver.iter_size`, as
    often as needed; an iteration still learns from as many images."""

    @property
    def begins_on_spot(self) -> bool:
        """Whether the first attempt is on a spot instance."""
        return self.spot is not False


class Budget(_Part):
    """The most that all attempts together may spend; at the limit: snapshot, evaluate, bundle, stop."""

    usd: Dollars | None = None
    """Dollars, at the node profile's price."""
    hours: Hours | None = None
    """Hours of the node's time."""


class Guards(_Part):
    """Guards end a run that is no longer worth its money; `false` switches one off."""

    diverged: bool = True
    """Whether to fail the run when its loss is NaN, infinite or 87.3365 (Caffe's largest softmax loss)."""
    not_learning: Annotated[
        Count | Percent | Off,
        must_be("a number of iterations, a share of the run such as 25%, or false", "false"),
    ] = "25%"
    """When the run fails unless its validation accuracy is better than chance: an iteration, or a share of
    the run, but at least one epoch and 100 iterations."""
    patience: Annotated[Count | Off, must_be("a number of tests, 1 or more, or false", "false")] = False
    """Tests in a row without a better accuracy after which the run ends; the best snapshot is the result.
    When the learning rate falls, the count restarts."""
    idle_minutes: Annotated[Minutes | Off, must_be("a number of minutes above 0, or false", "false")] = 15.0
    """Minutes the GPU may idle while it should be training, or the engine may be silent, before the run is
    stopped."""


class Accept(_Part):
    """What the result must reach for a CI run to pass."""

    accuracy: Accuracy | None = None
    """The minimum top-1 accuracy, from 0 to 1."""
    per_class: Accuracy | None = None
    """The minimum accuracy of every class that has images, from 0 to 1."""
    not_below: Annotated[
        Baseline | None, must_be("a run, as run:NAME, alias:NAME, or the path or URI of a run's folder")
    ] = None
    """An earlier run, as `run:NAME`, `alias:NAME` or by the path or URI of its folder. The accuracy must be
    shown not to be below that run's on the same images, see `margin`."""
    margin: Margin = 0.0
    """How far below `not_below` the accuracy may be: the 95% confidence interval of the difference must lie
    above -`margin`. 0: the result must be shown to be better; 0.01: at most a point worse; -0.02: better by
    more than two points."""
    on: Location | None = None
    """Another dataset to accept by instead of `data.val`, one that was never trained on: an LMDB or a folder,
    like `data.val`. The result is evaluated on it after the training."""

    @model_validator(mode="after")
    def _margin_has_a_baseline(self) -> Self:
        if self.margin and self.not_below is None:
            raise mistake("is for not_below; give an earlier run there, or remove it", "margin")
        return self


class JobSpec(_Part):
    """A complete fine-tune. Everything but name, base, data and output has a default that works."""

    name: DnsLabel
    """The run's name: lower-case letters, digits and dashes, at most 40."""
    base: Base
    """The net to fine-tune: `net` and `weights`."""
    surgery: Surgery = Surgery()
    """Changes to the base net before training."""
    data: Data
    """The training and validation images: `train`, and `val` or `val_split`."""
    solver: Solver = Solver()
    """How to train, in Caffe's terms."""
    engine: Literal["auto", "caffe", "torch"] = "auto"
    """The training engine: `auto` takes caffe on processors and on GPUs up to Turing, torch on newer ones."""
    resources: Resources = Resources()
    """Where to run, and how often to retry."""
    budget: Budget = Budget()
    """The most that all attempts together may spend."""
    guards: Guards = Guards()
    """Guards end a run that is no longer worth its money."""
    accept: Accept = Accept()
    """What the result must reach for a CI run to pass."""
    output: Location
    """The folder or URI for runs; each gets `<output>/<name>/<run id>/`."""

    @property
    def images_per_iteration(self) -> int:
        """Images that one update learns from."""
        return self.data.batch_size * self.solver.iter_size * self.solver.gpus

    def canonical(self) -> dict[str, Any]:
        """Return the spec as plain values with every default filled in: the same spec, the same dict.

        Fields of ADDED are left out at their default, so that a spec keeps the identity that it had before
        there was such a field.
        """
        values = self.model_dump(mode="json")
        for section, field in ADDED:
            if values[section][field] == type(getattr(self, section)).model_fields[field].default:
                del values[section][field]
        return values


ADDED = (
    ("base", "weights_from"),
    ("data", "random_crop"),
    ("solver", "precision"),
    ("solver", "gpus"),
    ("accept", "per_class"),
    ("accept", "margin"),
    ("accept", "on"),
)
"""Fields that came after runs had ids, by section."""
FREE_SECTIONS = ("resources", "budget", "guards", "accept")
"""What may change while a run is in progress; the rest is the run's identity."""
