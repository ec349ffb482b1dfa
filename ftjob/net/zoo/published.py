"""Well-known caffemodels: where their authors publish them, with the digest that identifies each.

A row never changes its meaning: a spec that names it is the same run for ever. An address that moves may be
corrected, a digest may not. Whoever adds a row takes every fact from the pages that it names.
"""

from dataclasses import dataclass

from ftjob.errors import BadSpecError
from ftjob.net.zoo import alexnet, caffenet, googlenet, resnet50, squeezenet, vgg16, vgg19
from ftjob.net.zoo.entry import ZooNet
from ftjob.suggest import did_you_mean
from jobspec.grammar import KNOWN_REFERENCE
from jobspec.locations import with_values
from jobspec.pinned import PinnedFile
from jobspec.spec import JobSpec

_ZOO = "https://github.com/BVLC/caffe/tree/master/models"
_VGG = "http://www.robots.ox.ac.uk/~vgg/software/very_deep/caffe"
_OPEN_MODEL_ZOO = "Intel's Open Model Zoo"


@dataclass(frozen=True)
class PublishedWeights:
    """A caffemodel that its authors published, for one of the built-in nets."""

    name: str
    """As in `known:NAME`."""
    net: ZooNet
    """Has its mean (BGR), its scale and its input's size."""
    file: PinnedFile
    page: str
    """Where its authors describe it."""
    digest_by: str
    """Who published the digest."""
    licence: str
    """As its page puts it."""
    trained_on: str

    @property
    def reference(self) -> str:
        """The name as a spec has it."""
        return f"{KNOWN_REFERENCE}{self.name}"


def _bvlc(net: ZooNet, name: str, sha1: str) -> PublishedWeights:
    """Return a model of Berkeley's own zoo; its readme has all of this."""
    return PublishedWeights(
        name=name,
        net=net,
        file=PinnedFile(f"http://dl.caffe.berkeleyvision.org/{name}.caffemodel", "sha1", sha1),
        page=f"{_ZOO}/{name}",
        digest_by="its page",
        licence="unrestricted",
        trained_on="ILSVRC 2012",
    )


def _vgg(net: ZooNet, gist: str, sha256: str) -> PublishedWeights:
    """Return a model of Oxford's Visual Geometry Group, whose page names no digest."""
    return PublishedWeights(
        name=net.name,
        net=net,
        file=PinnedFile(f"{_VGG}/{net.weights}", "sha256", sha256),
        page=f"https://gist.github.com/ksimonyan/{gist}",
        digest_by=_OPEN_MODEL_ZOO,
        licence=f"CC BY 4.0, as {_OPEN_MODEL_ZOO} has it",
        trained_on="ILSVRC 2012",
    )


PUBLISHED = (
    _bvlc(googlenet.NET, "bvlc_googlenet", "405fc5acd08a3bb12de8ee5e23a96bec22f08204"),
    _bvlc(alexnet.NET, "bvlc_alexnet", "9116a64c0fbe4459d18f4bb6b56d647b63920377"),
    _bvlc(caffenet.NET, "bvlc_reference_caffenet", "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46"),
    _vgg(
        vgg16.NET,
        "211839e770f7b538e2d8",
        "a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197",
    ),
    _vgg(
        vgg19.NET,
        "3785162f95cd2d5fee77",
        "31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954",
    ),
    PublishedWeights(
        name="resnet50",
        net=resnet50.NET,
        file=PinnedFile(  # the authors' own link is a folder of OneDrive, which is not to be fetched from
            "https://dl.opencv.org/models/ResNet-50-model.caffemodel",
            "sha1",
            "b7c79ccc21ad0479cddc0dd78b1d20c4d722908d",
        ),
        page="https://github.com/KaimingHe/deep-residual-networks",
        digest_by="OpenCV's test data",
        licence="the LICENSE of its page",
        trained_on="ImageNet",
    ),
    PublishedWeights(
        name="squeezenet_v1.1",
        net=squeezenet.NET,
        file=PinnedFile(
            "https://github.com/forresti/SqueezeNet/raw/a47b6f13d30985279789d08053d37013d67d131b/"
            "SqueezeNet_v1.1/squeezenet_v1.1.caffemodel",
            "sha256",
            "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142",
        ),
        page="https://github.com/forresti/SqueezeNet",
        digest_by=_OPEN_MODEL_ZOO,
        licence="BSD",
        trained_on="ImageNet",
    ),
)
_BY_NAME = {each.name: each for each in PUBLISHED}
_BY_DIGEST = {(each.file.algorithm, each.file.digest): each for each in PUBLISHED}


def get_published(reference: str) -> PublishedWeights:
    """Return the weights that `known:NAME` means. Raises BadSpecError for a name that is none."""
    name = reference.removeprefix(KNOWN_REFERENCE)
    if name not in _BY_NAME:
        of_net = next((each.name for each in PUBLISHED if each.net.name == name), "")
        hint = f"; did you mean {of_net}?" if of_net else did_you_mean(name, _BY_NAME)
        names = ", ".join(_BY_NAME)
        raise BadSpecError(
            f"base.weights: no published weights are called {reference}{hint} (there are {names})"
        )
    return _BY_NAME[name]


def published_as(file: PinnedFile) -> PublishedWeights | None:
    """Return the weights that a digest is that of, wherever the file lies; None for any other."""
    return _BY_DIGEST.get((file.algorithm, file.digest))


def published_for(net: str) -> PublishedWeights | None:
    """Return the weights for a built-in net; None where there are none, or for any other net."""
    return next((each for each in PUBLISHED if each.net.name == net), None)


def with_published(spec: JobSpec) -> JobSpec:
    """Return the spec with the address and digest of `known:NAME` in its place. Raises BadSpecError."""
    weights = spec.base.weights or ""
    if not weights.startswith(KNOWN_REFERENCE):
        return spec
    return with_values(spec, {"base.weights": str(get_published(weights).file)})
