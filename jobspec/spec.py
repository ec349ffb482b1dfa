"""The job spec: one fine-tune, in the order its user writes it."""

from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from jobspec.fields import (
    MOST_CLASSES,
    Accuracy,
    Auto,
    Baseline,
    Channels,
    Count,
    DnsLabel,
    Dollars,
    File,
    Hours,
    Images,
    LayerGlobs,
    LayerName,
    Location,
    Margin,
    MeanFile,
    Minutes,
    NodeName,
    Off,
    Percent,
    PinnedAlias,
    Positive,
    Section,
    Side,
    Split,
    Weights,
    mistake,
    must_be,
    share_of,
)
from jobspec.solver_section import Solver as Solver
from jobspec.stages.overlay import laid_over_at, part_of, refuse_same_names, refuse_wrong_shares, written
from jobspec.sweeps.sweep import Sweep


class Base(Section):
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


class FreezeUpTo(Section):
    """Freeze a layer and all layers it depends on."""

    up_to: LayerName
    """The name of a layer, or the prefix shared by several, such as `inception_4e`."""


class FreezeLayers(Section):
    """Freeze the layers that match."""

    layers: Annotated[LayerGlobs, Field(min_length=1)]
    """Layer names; `*` matches any characters, as in `[conv1*, conv2*]`."""


class Surgery(Section):
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
    relearn: LayerGlobs = Field(default=[])
    """Other layers to rename and train from scratch; `*` matches any characters."""
    freeze: Annotated[
        FreezeUpTo | FreezeLayers | Literal["none"],
        must_be("none, {up_to: LAYER} or {layers: [LAYER, ...]}", "none", "up_to", "layers"),
    ] = "none"
    """Layers whose weights do not change (lr_mult 0 and decay_mult 0): `{up_to: LAYER}`, the layer and all
    layers it depends on, or `{layers: [LAYER, ...]}`, or `none`."""
    head_lr_mult: Positive = 10.0
    """lr_mult of the new layers' weights; their biases get twice that, as in Caffe's recipes."""


class Data(Section):
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
    trunk makes the same of an image every time and can be computed once."""
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


class Resources(Section):
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


class Budget(Section):
    """The most that all attempts together may spend; at the limit: snapshot, evaluate, bundle, stop."""

    usd: Dollars | None = None
    """Dollars, at the node profile's price."""
    hours: Hours | None = None
    """Hours of the node's time."""

    def shared(self, share: str | None) -> "Budget":
        """Return a share of the budget, such as `40%`; all of it without one."""
        if share is None:
            return self
        usd, hours, part = self.usd, self.hours, float(share_of(share))
        return Budget(usd=usd and usd * part, hours=hours and hours * part)


class Guards(Section):
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


class Accept(Section):
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


if TYPE_CHECKING:
    PartOfData = Section
    PartOfSurgery = Section
    PartOfSolver = Section
    PartOfGuards = Section
else:
    PartOfData, PartOfSurgery = part_of(Data), part_of(Surgery)
    PartOfSolver, PartOfGuards = part_of(Solver), part_of(Guards)


class StageSpec(Section):
    """One stage of a run: what it changes in the stage before, whose result it begins with."""

    name: DnsLabel | None = None
    """What to call it: lower-case letters, digits and dashes. Default: its number."""
    data: PartOfData | None = None
    """Fields of `data` that change from this stage on; `val` replaces `val_split`, and the reverse."""
    surgery: PartOfSurgery | None = None
    """Fields of `surgery` that change from this stage on. New heads are made where the classes are others
    than before, or where `heads` is given here; else the trained ones are trained further. `relearn` is for
    the stage that gives it."""
    solver: PartOfSolver | None = None
    """Fields of `solver` that change from this stage on. `epochs` replaces `max_iter`, and the reverse;
    `type` brings its own `momentum`, `lr_policy` its own `gamma` and `stepvalue`."""
    guards: PartOfGuards | None = None
    """Fields of `guards` that change from this stage on."""
    budget: Annotated[Percent, must_be("a share of the budget above 0%, such as 40%")] | None = None
    """The most of the run's budget that the stage may spend, such as `40%`; what it leaves is for those after
    it. Default: all that is left."""

    @property
    def part_of_section(self) -> dict[str, Section | None]:
        """What it changes, by section."""
        return {section: getattr(self, section) for section in STAGED_SECTIONS}

    @property
    def wants_new_heads(self) -> bool:
        """Whether it asks for new heads, whatever its classes."""
        return "heads" in written(self.surgery)


STAGED_SECTIONS = ("data", "surgery", "solver", "guards")
"""What may differ from stage to stage."""
FEWEST_STAGES, MOST_STAGES = 2, 10


class JobSpec(Section):
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
    sweep: Sweep | None = None
    """Several runs from this spec, within its one budget: the fields to vary, and how to search."""
    member_of: DnsLabel | None = None
    """Written by ftjob into the spec of a sweep's member: the sweep's name, by which members share their
    stages. It decides nothing else."""
    output: Location
    """The folder or URI for runs; each gets `<output>/<name>/<run id>/`."""
    stages: Annotated[list[StageSpec], Field(min_length=FEWEST_STAGES, max_length=MOST_STAGES)] | None = None
    """Stages to train one after the other, each from the result of the one before: every stage is laid over
    the one before it, the first over the sections above. The last one's result is the run's."""

    @model_validator(mode="after")
    def _stages_are_specs(self) -> Self:
        stages = self.stages or ()
        refuse_same_names([stage.name for stage in stages])
        refuse_wrong_shares([stage.budget for stage in stages], has_budget=self.budget != Budget())
        self.stage_specs()
        return self

    def stage_specs(self) -> "tuple[JobSpec, ...]":
        """Return the stages as specs without stages, first to last; this spec alone where it has none.

        Only the last has `accept`. In a member of a sweep, those before it have the sweep's name, so that
        members share them. Raises ValidationError, at the stage's section, for values that do not go
        together.
        """
        shared = {"stages": None, "accept": Accept(), "name": self.member_of or self.name, "member_of": None}
        before = self.model_copy(update=shared)
        specs: list[JobSpec] = []
        for number, stage in enumerate(self.stages or ()):
            sections: dict[str, Any] = {"budget": self.budget.shared(stage.budget)}
            if specs:
                sections["surgery"] = before.surgery.model_copy(update={"relearn": []})
            for name, part in stage.part_of_section.items():
                section = sections.get(name, getattr(before, name))
                sections[name] = laid_over_at(section, part, ("stages", number, name))
            before = before.model_copy(update=sections)
            specs.append(before)
        own = {"accept": self.accept, "name": self.name, "member_of": self.member_of}
        return (*specs[:-1], specs[-1].model_copy(update=own)) if specs else (self,)

    @property
    def stage_names(self) -> tuple[str, ...]:
        """What each stage is called: its name, or else its number."""
        return tuple(stage.name or str(number) for number, stage in enumerate(self.stages or (), 1))

    @property
    def gpus(self) -> int:
        """GPUs that the run needs: as many as the stage that trains on the most."""
        return max(spec.solver.gpus for spec in self.stage_specs())

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
        if self.stages is None:
            del values["stages"]
        else:
            values["stages"] = [each.model_dump(mode="json", exclude_none=True) for each in self.stages]
        for section, field in ADDED:
            if values[section][field] == type(getattr(self, section)).model_fields[field].default:
                del values[section][field]
        for name in ("sweep", "member_of"):
            if values[name] is None:
                del values[name]
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
FREE_OF_STAGE = ("name", "guards", "budget")
"""The same, of a stage."""
