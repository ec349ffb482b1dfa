"""A first spec for a net and a folder of data, with comments and ready for `ftjob plan`."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from ftjob.dataset.folder import TRAIN
from ftjob.dataset.source.stored import Objects, Place, filled_place
from ftjob.errors import BadDataError, BadNetError, BadSpecError
from ftjob.formatting import float32_text
from ftjob.fs import files
from ftjob.net import zoo
from ftjob.net.proto.caffe_pb2 import TRAIN as TRAIN_PHASE
from ftjob.net.proto.caffe_pb2 import NetParameter
from ftjob.net.surgery.heads import find_heads, no_head_error
from ftjob.net.topology.graph import graph
from ftjob.net.topology.layertypes import param_count
from ftjob.net.topology.phases import phase_view, reduce_rules
from ftjob.net.transforms import own_transform
from ftjob.net.zoo.published import PublishedWeights, get_published, published_for
from ftjob.prepare.dataset import facts_at, is_lmdb, train_and_val
from ftjob.prepare.prepare import read_net
from ftjob.prepare.weights import refuse_several
from ftjob.storage import local_path
from ftjob.storage.inputs import fetch_input, named
from ftjob.storage.store import OnTransfer, ignore
from jobspec import SpecError, parse_spec
from jobspec.grammar import KNOWN_REFERENCE, GrammarError
from jobspec.pinned import check_address, is_web
from jobspec.problems import one_line

DEFAULT_NAME = "fine-tune"
LONGEST_NAME = 40
VAL_SPLIT = 0.25
COMMENTS_AT = 26
BATCH_SIZE = 32
MARGIN = 256 / 224
"""Side of a stored image for each pixel of the crop, as nets of 224 pixels were trained."""
SMALL = 128
"""Side of a net's input below which data.resize's default would leave it a small part of each image."""


@dataclass(frozen=True)
class Input:
    """The images a net takes."""

    crop: int | None
    """Side of the net's input square; None if it sets none."""
    mean: tuple[float, ...]
    """Per channel (BGR); empty if unknown."""
    scale: float
    mirror: bool
    batch_size: int
    mean_file: str = ""
    """The mean image named by the prototxt, if its values are unknown."""


def write_spec(
    net: str | None, data: Path | str, weights: Path | str | None, out: Path | None, *, force: bool = False
) -> Path:
    """Write a spec and return its path: `out`, or the data's name with .yaml in the working folder.

    Net, weights and data are paths or URIs. An address of the web without a digest gets that of the file that
    is there now; published weights (`known:NAME`) have a net of their own where none is given. Raises
    BadSpecError where the file is there already (unless `force`) or there is no net, BadNetError,
    BadDataError or StorageError where net, weights or data are not what a spec needs.
    """
    net = _net_for(net, weights)
    place = _place(data)
    path = out or Path(f"{_name(_last(place))}.yaml")
    if path.exists() and not force:
        raise BadSpecError(f"{path}: already exists: give another name, or --force to overwrite it")
    files.write_text(path, _checked_text(net, place, weights, path))
    return path


def first_spec(net: str | None, data: str, weights: str | None, folder: Path) -> str:
    """Return the text that `write_spec` would write into a folder. Raises as that does."""
    net = _net_for(net, weights)
    place = _place(data)
    return _checked_text(net, place, weights, folder / f"{_name(_last(place))}.yaml")


def _net_for(net: str | None, weights: Path | str | None) -> str:
    """Return the net, or that of published weights. Raises BadSpecError where there is neither."""
    published = _published(weights)
    if net is None and published is None:
        raise BadSpecError(
            f"--net: is missing: give a built-in net ({', '.join(zoo.NAMES)}), a prototxt, or published "
            "weights, which have a net of their own: --weights known:bvlc_googlenet"
        )
    return net or (published.net.name if published else "")


def _published(weights: Path | str | None) -> PublishedWeights | None:
    return get_published(str(weights)) if str(weights).startswith(KNOWN_REFERENCE) else None


def _place(data: Path | str) -> Place:
    with named("data.train", BadDataError):
        return filled_place(data)


def _checked_text(net: str, data: Place, weights: Path | str | None, path: Path) -> str:
    """Return the text of a spec that is sound, and whose weights are there."""
    net = _with_digest(net, "base.net")
    if weights is not None and _published(weights) is None:
        weights = _with_digest(str(weights), "base.weights")
        refuse_several(weights, Path())
        if not fetch_input(weights, "base.weights", BadNetError).is_file():
            raise BadNetError(f"base.weights: {weights} is not there: give the path of a .caffemodel")
    text = spec_text(net, data, weights, folder=path.absolute().parent, name=_name(path.stem))
    try:
        parse_spec(text, str(path))
    except SpecError as error:
        raise BadSpecError(str(error)) from error
    return text


def _with_digest(location: str, field: str) -> str:
    """Return a location; one of the web that has no digest, with that of the file that is there now."""
    return pinned(location, field) if is_web(location) and "#" not in location else location


def pinned(address: str, field: str, progress: OnTransfer = ignore) -> str:
    """Fetch a file of the web into the cache, and return its address with its digest.

    Raises BadSpecError where it is no address, BadNetError where nothing is there, StorageError.
    """
    from ftjob.storage.web.cached import pin  # here, because urllib3 is slow to import

    try:
        check_address(address)
    except GrammarError as error:
        raise BadSpecError(f"{field}: {error}") from None
    with named(field, BadNetError):
        return str(pin(address, progress))


def spec_text(net: str, data: Place, weights: Path | str | None, *, folder: Path, name: str) -> str:
    """Return the text of a spec whose file will lie in a folder. Raises BadNetError or BadDataError."""
    itself = net in zoo.NAMES or local_path(net) is None
    parsed = reduce_rules(read_net(net if itself else str(Path(net).absolute())).net)
    images = _input(net, parsed, tuned=weights is not None)
    train, val = train_and_val(data)

    def place(what: Place | str) -> str:
        named = str(what).startswith(KNOWN_REFERENCE)
        uri = named or isinstance(what, Objects) or local_path(str(what)) is None
        return _yaml(str(what).rstrip("/") if uri else _relative(Path(str(what)), folder))

    sections = (
        [(f"# `ftjob plan {name}.yaml` shows what this would do; docs/spec.md has every field.", "")],
        [(f"name: {name}", "")],
        _base(net, _yaml(net) if net in zoo.NAMES else place(net), place(weights) if weights else None),
        _surgery(parsed),
        _data(images, place(train), place(val) if val else None, _sizes(images, train, net)),
        _solver(tuned=weights is not None),
        _LAST,
    )
    return "\n".join("\n".join(map(_line, section)) + "\n" for section in sections)


_Line = tuple[str, str]
"""A line of the spec: YAML, and its comment."""

_LAST: list[_Line] = [
    ("resources:", ""),
    ("  node: local", "this machine; `ftjob nodes` lists others"),
    ("# budget: {usd: 4.00}", "at the limit: snapshot, evaluate, bundle, stop"),
    ("# accept: {accuracy: 0.80}", "what a CI run must reach"),
    ("output: runs", "each run gets a folder in it"),
]


def _line(line: _Line) -> str:
    text, comment = line
    return f"{text:<{COMMENTS_AT}}  # {comment}" if comment else text


def _base(net: str, place: str, weights: str | None) -> list[_Line]:
    published = published_for(net)
    reference = published.reference if published else "FILE"
    what = f"published ({published.licence})" if published else "a .caffemodel"
    scratch = (f"  # weights: {reference}", f"{what}; without it every layer is randomly initialised")
    return [("base:", ""), (f"  net: {place}", ""), (f"  weights: {weights}", "") if weights else scratch]


def _surgery(parsed: NetParameter) -> list[_Line]:
    return [
        ("surgery:", ""),
        ("  heads: auto", "find every classifier, rename it, give it num_output outputs"),
        ("  num_output: auto", "the number of classes in the data"),
        ("  freeze: none", "all layers learn; freezing some saves time and memory:"),
        (f"  # freeze: {{up_to: {_yaml(_middle(parsed))}}}", ""),
        ("  head_lr_mult: 10", "new layers learn ten times faster than copied ones"),
    ]


def _data(images: Input, train: str, val: str | None, sizes: list[_Line]) -> list[_Line]:
    lines = [
        ("data:", ""),
        (f"  train: {train}", ""),
        (f"  val: {val}", "") if val else (f"  val_split: {VAL_SPLIT}", "of every class, for validation"),
        *sizes,
        _mean(images),
        (f"  scale: {float32_text(images.scale)}", "from the net") if images.scale != 1 else ("", ""),
        (f"  mirror: {'true' if images.mirror else 'false'}", "at random in training"),
        (f"  batch_size: {images.batch_size}", "`ftjob plan` checks whether it fits the node's memory"),
    ]
    return [line for line in lines if line[0]]


def _mean(images: Input) -> _Line:
    if images.mean:
        return f"  mean: [{', '.join(map(float32_text, images.mean))}]", "from the net (BGR)"
    if images.mean_file:
        return "  mean: auto", f"from the training data; or the net's own, {one_line(images.mean_file)}"
    return "  mean: auto", "from the training data"


def _solver(*, tuned: bool) -> list[_Line]:
    lr = ("  base_lr: 0.001", "a tenth of the rate for training from scratch")
    return [
        ("solver:", ""),
        lr if tuned else ("  base_lr: 0.01", "take a tenth of it if the loss grows"),
        ("  lr_policy: step", ""),
        ("  stepsize: 33%", "of the run"),
        ("  gamma: 0.1", ""),
        ("  momentum: 0.9", ""),
        ("  weight_decay: 0.0005", ""),
        ("  epochs: 10", ""),
    ]


def _middle(net: NetParameter) -> str:
    """A layer, or what the names around it begin with, in the middle of the way to the main head."""
    view = graph(phase_view(net, TRAIN_PHASE))
    main = next((head.layer for head in find_heads(net) if head.main), "")
    ends = [index for index, layer in enumerate(view.layers) if layer.name == main]
    way = [view.layers[index] for index in sorted(view.upstream(ends))]
    learners = [layer.name for layer in way if param_count(layer)]
    if not learners:
        raise no_head_error(net)
    return learners[len(learners) // 2].split("/")[0]


def _name(text: str) -> str:
    """Turn text into a DNS label."""
    cleaned = re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")[:LONGEST_NAME].strip("-")
    return cleaned or DEFAULT_NAME


def _last(place: Place) -> str:
    return place.absolute().name if isinstance(place, Path) else place.name.rpartition("/")[2]


def _input(net: str, parsed: NetParameter, *, tuned: bool) -> Input:
    if net in zoo.NAMES:
        known = zoo.get(net)
        mean = known.mean if tuned else ()
        return Input(known.crop, mean, known.scale, known.channels == 3, _batch_size(parsed))
    own = own_transform(parsed)
    if own is None:
        return Input(None, (), 1.0, True, BATCH_SIZE)
    deploys = all(layer.type == "Input" for layer in parsed.layer if not layer.bottom)
    mean_file = "" if own.known_mean else own.mean_file
    return Input(own.crop, own.known_mean, own.scale, own.mirror or deploys, _batch_size(parsed), mean_file)


def _batch_size(net: NetParameter) -> int:
    """The TRAIN batch of a net's own data layer."""
    sizes = [layer.data_param.batch_size for layer in net.layer if layer.type == "Data"]
    return next((size for size in sizes if size), BATCH_SIZE)


def _sizes(images: Input, train: Place, net: str) -> list[_Line]:
    """Return the sides of stored images and of what the net sees of them. Raises BadDataError."""
    crop = _crop(images, train, net)
    lines = [(f"  crop: {crop}", "the net's input size")] if crop else []
    if crop and crop < SMALL and not is_lmdb(train):
        lines.insert(0, (f"  resize: {round(crop * MARGIN)}", "stored a little larger than the crop"))
    return lines


def _crop(images: Input, train: Place, net: str) -> int | None:
    """The crop, where the stored images are not that size already. Raises BadDataError for smaller ones."""
    if images.crop is None or not is_lmdb(train):
        return images.crop
    facts = facts_at(train, TRAIN, fetch=False)
    if facts.smallest.side < images.crop:
        raise BadDataError(
            f"{train}: images are {facts.smallest}, and {net} takes {images.crop}x{images.crop}: "
            "build larger ones with `ftjob data build --size`"
        )
    fits = (facts.height, facts.width) == (images.crop, images.crop) and not facts.others
    return None if fits else images.crop


def _relative(place: Path, folder: Path) -> str:
    """A path as seen from the spec's folder where it lies beneath it, else whole."""
    whole = place.absolute()
    inside = os.path.relpath(whole, folder)
    return str(whole) if inside.startswith("..") else inside


def _yaml(text: str) -> str:
    """Write text in one line; what cannot be seen is escaped."""
    plain = text.isprintable()
    style = None if plain else '"'
    written: str = yaml.safe_dump(text, allow_unicode=plain, default_style=style, width=1_000_000)
    return written.splitlines()[0]
