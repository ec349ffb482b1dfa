"""Reads what a spec names and plans the run, in the same way when submitting and in the worker."""

import errno
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ftjob.dataset.build.transfers import as_progress
from ftjob.dataset.build_options import BuildOptions, DataProgress
from ftjob.dataset.check.sizes import channel_findings, crop_findings, size_findings
from ftjob.dataset.facts import DatasetFacts
from ftjob.dataset.findings import Finding, label_findings, order_findings, refuse_errors
from ftjob.dataset.folder import TRAIN
from ftjob.dataset.mean import mean_image_findings, measured_mean
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.fs import files
from ftjob.fs.paths import expanded
from ftjob.net import zoo
from ftjob.net.caffemodel.filekinds import HEAD, NET, SOLVER, TEXT, file_kind
from ftjob.net.forks.tolerant import LARGEST, too_large
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.prototxt import ParsedNet, parse_net_with_notes, refuse_foreign, to_text
from ftjob.net.zoo.published import with_published
from ftjob.nodes.profiles import get_node, load_nodes
from ftjob.plan.inputs import Inputs, Weights
from ftjob.plan.plan import Plan, make_plan, with_measured
from ftjob.prepare import calibration
from ftjob.prepare.baseline import with_baseline
from ftjob.prepare.dataset import (
    BuiltDataset,
    another_dataset,
    dataset_for,
    is_image_folder,
    named_place,
    refuse_other_kinds,
)
from ftjob.prepare.next_stage import naming_stage, next_stage
from ftjob.prepare.weights import find_weights
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.references import FolderOf, PinnedOf, PinnedWeights, WeightsOf, resolved
from ftjob.storage import local_path
from ftjob.storage.inputs import fetch_input
from jobspec import digest
from jobspec.locations import with_locations
from jobspec.problems import one_line
from jobspec.spec import Data, JobSpec

if TYPE_CHECKING:
    from ftjob.dataset.check.check import CheckOptions

DEFAULT_SIDE = 256


@dataclass(frozen=True)
class Context:
    """What a spec's values are resolved against."""

    folder: Path = field(default_factory=Path.cwd)
    """Relative paths count from here: the spec file's folder."""
    weights_of: WeightsOf | None = None
    folder_of: FolderOf | None = None
    pinned_of: PinnedOf | None = None
    progress: Callable[[DataProgress], None] = lambda _: None
    """Called with the progress of building a dataset, or of fetching an input."""
    to_train: bool = True
    """Whether this machine will train the plan: only then is a dataset fetched from a store although its
    manifest suffices for planning, and `mean: auto` measured where no manifest has it, which reads every
    pixel."""
    first_stage: int = 0
    """The number of the first stage that is still to be trained: those before it need no dataset here."""

    def of_stage(self, number: int) -> "Context":
        """Return the context for a stage."""
        return self if number >= self.first_stage else replace(self, to_train=False)


def absolute(spec: JobSpec, context: Context) -> JobSpec:
    """Return the spec with every path made absolute, and names of runs and of published weights replaced by
    what they stand for now.

    URIs stay, without a slash at their end. Raises BadSpecError for a path that no spec may hold, or a name
    that no published weights have.
    """

    def checked(whole: str) -> str:
        if not whole.isprintable():
            raise BadSpecError(
                f"{one_line(whole)}: a folder in this path has an invisible character in its name; "
                "rename the folder"
            )
        return whole

    def path(location: str) -> str:
        if local_path(location) is None:
            return location.rstrip("/")
        return checked(str((context.folder / expanded(location)).absolute()))

    find, pin = context.weights_of, context.pinned_of
    weights_of: WeightsOf | None = (lambda reference: checked(str(find(reference)))) if find else None
    there = context.folder_of
    folder_of: FolderOf | None = (lambda reference: path(there(reference))) if there else None

    def pinned(reference: str) -> PinnedWeights:
        assert pin
        meant = pin(reference)
        return replace(meant, location=checked(meant.location))

    placed = with_locations(with_published(spec), path, zoo.NAMES)
    return resolved(placed, weights_of, folder_of, pinned if pin else None)


StagePlans = dict[tuple[str, ...], Plan]
"""Plans of stages that begin other runs too, by the digests of their specs and of those before them."""


def prepare(spec: JobSpec, context: Context, known: StagePlans | None = None) -> Plan:
    """Read what an absolute spec names and plan the run: the plan of its last stage, which has the others.
    Stages before it that are `known` are not planned again, and the others are kept there.

    Raises FtjobError, which names the field, what is wrong and what to do; nothing is written then but
    datasets and weights in the cache.
    """
    if not spec.stages:
        return _prepared(spec, context)
    known = {} if known is None else known
    plans: list[Plan] = []
    key: tuple[str, ...] = ()
    for number, stage in enumerate(spec.stage_specs()):
        asked = spec.stages[number].wants_new_heads
        key = (*key, f"{digest(stage)} {asked}")
        if key not in known:
            with naming_stage(number):
                known[key] = _prepared(
                    stage, context.of_stage(number), plans[-1] if plans else None, new_heads=asked
                )
        plans.append(known[key])
    return replace(plans[-1], earlier=tuple(plans[:-1]), whole=spec)


def _prepared(
    spec: JobSpec, context: Context, before: Plan | None = None, *, new_heads: bool = False
) -> Plan:
    """Plan a spec without stages, or one stage, which begins with what the stage before it will make."""
    return plan_of(read_inputs(spec, context, before, new_heads=new_heads))


def plan_of(inputs: Inputs) -> Plan:
    """Plan a run, or a stage of one, from what was read for it. Raises FtjobError."""
    plan = make_plan(inputs)
    return with_measured(with_baseline(plan), *calibration.recall(plan))


def read_inputs(
    spec: JobSpec, context: Context, before: Plan | None = None, *, new_heads: bool = False
) -> Inputs:
    """Read what an absolute spec without stages names; of a stage but the first, `before` is the plan of the
    stage before it. Raises FtjobError."""
    node = get_node(spec.resources.node)
    parsed = read_net(spec.base.net)
    if before is None:
        stage_before = None
        weights = find_weights(spec.base.weights, context.folder, as_progress(context.progress))
    else:
        stage_before, weights = next_stage(before)
    channels = image_channels(spec, parsed.net, weights)
    dataset = find_dataset(spec.data, channels, context)
    findings = data_findings(spec, dataset)
    mean, mean_file = find_mean(spec, dataset, context)
    return Inputs(
        spec=spec,
        net=parsed.net,
        notes=parsed.notes,
        weights=weights,
        train=dataset.train,
        val=dataset.val,
        findings=tuple(map(str, findings)),
        node=node,
        nodes=tuple(load_nodes().values()),
        mean=mean or (),
        mean_measured=mean is not None,
        mean_file=mean_file,
        mean_file_digest=files.sha256(mean_file) if mean_file else "",
        on=find_on(spec, dataset, channels, context) if spec.accept.on else None,
        before=stage_before,
        new_heads=new_heads and before is not None,
    )


def write_prototxts(plan: Plan, folder: RunFolder) -> None:
    """Write the prototxts that Caffe reads into a run's folder. Raises StorageError."""
    files.write_text(folder.train_val, to_text(plan.train_val))
    files.write_text(folder.deploy, to_text(plan.deploy))
    files.write_text(folder.solver, to_text(plan.solver))


def write_plan(plan: Plan, folder: RunFolder) -> None:
    """Write a run's plan.json. Raises StorageError."""
    from ftjob.plan.plan_json import document_of  # here, because a plan is most often only shown
    from ftjob.plan.shortfall import shortfall_of
    from ftjob.runfolder.records.plan import plan_text

    files.write_text(folder.plan, plan_text(document_of(plan, shortfall_of(plan))))


def read_net(location: str) -> ParsedNet:
    """Return a built-in net or the one in a prototxt file. Raises BadNetError."""
    if location in zoo.NAMES:
        return ParsedNet(zoo.build(location), notes=(), foreign=())
    path = fetch_input(location, "base.net", BadNetError, largest=LARGEST)
    try:
        with os.fdopen(_opened(path), "rb") as file:
            head = file.read(HEAD)
            content = head if b"\0" in head else head + file.read(LARGEST + 1 - len(head))
        _refuse_large(path, content)
    except FileNotFoundError as error:
        hint, names = zoo.meant(path.name), ", ".join(zoo.NAMES)
        message = f"base.net: {path} is not there: give a prototxt's path or a built-in net ({names}){hint}"
        raise BadNetError(message) from error
    except OSError as error:
        raise BadNetError(f"base.net: {path} cannot be read ({error.strerror}): give a prototxt") from error
    try:
        parsed = parse_net_with_notes(_text(content), location)
    except BadNetError as error:
        kind = file_kind(head)
        if kind is None or kind in (NET, SOLVER, TEXT):
            raise
        raise BadNetError(f"base.net: {location}: is {kind.what}; {kind.as_net}") from error
    refuse_foreign(parsed, location)
    return parsed


def _opened(path: Path) -> int:
    """Open a file for reading; raise OSError for a pipe, a device or a folder."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise OSError(errno.EINVAL, "it is not a file")
    return handle


def _refuse_large(path: Path, content: bytes) -> None:
    if len(content) > LARGEST:
        raise BadNetError(f"base.net: {path} {too_large(path.stat().st_size)}")


def _text(content: bytes) -> str:
    """The text of a prototxt, whose comments may be in any encoding, and its lines those of any system."""
    return re.sub("\r\n?", "\n", content.decode(errors="surrogateescape"))


def find_dataset(data: Data, channels: int, context: Context) -> BuiltDataset:
    """Inspect the LMDBs, or build them in the cache from folders of images.

    Raises BadDataError, StorageError for URIs.
    """
    train = named_place(data.train, "data.train")
    val = named_place(data.val, "data.val") if data.val else None
    if data.val_split and not is_image_folder(train):
        refuse_other_kinds(train, TRAIN)
        raise BadDataError(
            f"data.val_split: {train} is not a folder of image folders, and only those can be split: "
            "give data.val, or a folder with one folder of images per class"
        )
    options = _build_options(data, channels, data.val_split)
    return dataset_for(train, val, options, context.progress, fetch=context.to_train)


def _build_options(data: Data, channels: int, val_split: float | None = None) -> BuildOptions:
    side = data.resize or max(DEFAULT_SIDE, data.crop or 0)
    return BuildOptions(height=side, width=side, color=channels != 1, val_split=val_split)


def find_on(spec: JobSpec, dataset: BuiltDataset, channels: int, context: Context) -> DatasetFacts:
    """Inspect, or build, the dataset of `accept.on`, which is tested as data.val is.

    Raises BadSpecError where it is one of the run's own datasets, BadDataError where the net cannot be tested
    on it, StorageError.
    """
    train, crop, location = dataset.train, spec.data.crop, spec.accept.on or ""
    place = named_place(location, "accept.on")
    options = _build_options(spec.data, channels)
    found = another_dataset(place, options, context.progress, fetch=context.to_train)
    if found.digest == train.digest:
        raise BadSpecError(
            f"accept.on: {location} holds the very records of data.train: give images that are not trained on"
        )
    if found.digest == dataset.val.digest:
        raise BadSpecError(
            f"accept.on: {location} holds the very records of data.val, which choose the best snapshot: give "
            "other images, or leave it out"
        )
    for finding in crop_findings((found,), crop) if crop else ():
        raise BadDataError(f"accept.on: {finding}")
    refuse_errors(
        [
            *label_findings(train, found, None),
            *channel_findings(train, found),
            *size_findings(train, found, crop),
        ]
    )
    return found


def data_findings(spec: JobSpec, dataset: BuiltDataset) -> list[Finding]:
    """Return what is odd about the data for what a spec does with it.

    Raises BadSpecError for a crop that does not fit into every image, and BadDataError for all else that
    would fail or spoil the run.
    """
    train, val, crop = dataset.train, dataset.val, spec.data.crop
    num_output = None if spec.surgery.num_output == "auto" else spec.surgery.num_output
    for finding in crop_findings((train, val), crop) if crop else ():
        raise BadSpecError(f"data.crop: {finding}")
    findings = [
        *label_findings(train, val, num_output),
        *channel_findings(train, val),
        *size_findings(train, val, crop),
    ]
    refuse_errors(findings)
    whole_at_once = spec.images_per_iteration >= train.records
    return findings if whole_at_once else [*findings, *order_findings(train)]


def dataset_of(spec: JobSpec, context: Context) -> BuiltDataset:
    """Return the data of an absolute spec, as its net reads it. Raises BadNetError or BadDataError."""
    net = read_net(spec.base.net).net
    weights = find_weights(spec.base.weights, context.folder, as_progress(context.progress))
    return find_dataset(spec.data, image_channels(spec, net, weights), context)


def use_of(spec: JobSpec, options: "CheckOptions") -> "CheckOptions":
    """Return check's options with those that a spec's use of its data decides."""
    data, num_output = spec.data, spec.surgery.num_output
    return replace(
        options,
        num_output=options.num_output if num_output == "auto" else num_output,
        crop=data.crop or options.crop,
        mean=tuple(data.mean) if isinstance(data.mean, list) else (),
    )


def image_channels(spec: JobSpec, net: NetParameter, weights: Weights | None) -> int:
    """Return the channels that the spec's net has its images in: 1 or 3."""
    if spec.base.net in zoo.NAMES:
        return zoo.get(spec.base.net).channels
    return input_channels(net, weights)


def find_mean(
    spec: JobSpec, dataset: BuiltDataset, context: Context
) -> tuple[tuple[float, ...] | None, Path | None]:
    """Return the values per channel (None: not measured) or the mean image that `data.mean` means.

    Raises BadDataError, StorageError for a URI.
    """
    train = dataset.train
    match spec.data.mean:
        case "none":
            return (), None
        case "auto":
            return train.mean or (measured_mean(train.path) if context.to_train else None), None
        case list(values):
            return tuple(values), None
        case location:
            from ftjob.dataset.mean_image import read_mean_image  # here, because numpy is slow to import

            path = fetch_input(location, "data.mean", BadDataError)
            shape = read_mean_image(path).shape
            refuse_errors(mean_image_findings((train, dataset.val), shape, f"data.mean {location}"))
            return (), path


def input_channels(net: NetParameter, weights: Weights | None) -> int:
    """Return the channels of a net's images as net or weights declare them, else 3.

    A deploy net declares them in its Input layer, a train_val net in force_gray, weights in the shape of the
    first convolution's: (num_output, channels / group, height, width).
    """
    shapes = {layer.name: layer.shapes for layer in weights.layers} if weights else {}
    for layer in net.layer:
        kernel = (shapes.get(layer.name) or ((),))[0]
        if layer.type == "Convolution" and len(kernel) == 4:
            return kernel[1] * layer.convolution_param.group
        if layer.type == "Input" and layer.input_param.shape and len(layer.input_param.shape[0].dim) == 4:
            return layer.input_param.shape[0].dim[1]
        if layer.type in ("Data", "ImageData") and layer.transform_param.force_gray:
            return 1
    return 3
