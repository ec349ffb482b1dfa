"""Reads a run's initial weights: a caffemodel of any age, or of NVIDIA's fork, as Caffe 1.0 reads it."""

import contextlib
import mmap
from collections.abc import Callable, Sequence
from pathlib import Path

from ftjob.errors import BadNetError, StorageError
from ftjob.fs import documents, files
from ftjob.fs.digests import remembered_sha256
from ftjob.fs.paths import cache_dir
from ftjob.net.caffemodel.finite import broken_layers
from ftjob.net.caffemodel.weights import LayerWeights, read_weights
from ftjob.net.forks.nvidia import caffe_form, is_nvidias
from ftjob.plan.inputs import Weights
from ftjob.runfolder.layout import is_of_run
from ftjob.storage import Transfer
from ftjob.storage.inputs import fetch_input
from ftjob.storage.store import ignore
from ftjob.suggest import listed

OF_NVIDIA = "written by NVIDIA's Caffe, and read the way it does"


def find_weights(
    location: str | None, folder: Path, progress: Callable[[Transfer], None] = ignore
) -> Weights | None:
    """Read what layers a caffemodel holds; None where none is named.

    One of NVIDIA's fork is rewritten, once, into the cache. `folder` is what paths are relative to where
    several stand in one location. Raises BadNetError, StorageError for a URI.
    """
    if location is None:
        return None
    refuse_several(location, folder)
    path = fetch_input(location, "base.weights", BadNetError, progress)
    if path.is_dir():
        raise BadNetError(f"base.weights: {path} is a folder: give the .caffemodel in it")
    if not path.is_file():
        raise BadNetError(f"base.weights: {path} is not there: give the path of a .caffemodel")
    try:
        layers = read_weights(path)
    except BadNetError as error:
        raise BadNetError(str(error).replace(str(path), location)) from error
    digest = remembered_sha256(path)
    if not is_nvidias(layers):
        broken = _broken(path, digest, layers)
        return Weights(
            path, digest, layers, location, is_of_run(location), size_bytes=_size(path), broken=broken
        )
    rewritten = _rewritten(path, digest, layers)
    size_bytes = _size(path) + _size(rewritten)
    read = read_weights(rewritten)
    broken = _broken(rewritten, digest, read)
    return Weights(rewritten, digest, read, location, note=OF_NVIDIA, size_bytes=size_bytes, broken=broken)


def _broken(path: Path, digest: str, layers: Sequence[LayerWeights]) -> frozenset[str]:
    """The layers with a number that is NaN or infinite; all numbers are read the first time a file of this
    digest appears."""
    note = cache_dir() / "broken" / f"{digest}.json"
    with contextlib.suppress(OSError, documents.UnreadableError, TypeError):  # nothing there, or not whole
        return frozenset(map(str, documents.read_json(note)))
    found = broken_layers(path, layers)
    with contextlib.suppress(StorageError):  # a cache that cannot be written only costs time
        files.write_json(note, found)
    return frozenset(found)


def _size(path: Path) -> int:
    return path.stat().st_size


def _rewritten(path: Path, digest: str, layers: Sequence[LayerWeights]) -> Path:
    """The same weights in Caffe 1.0's form, from the cache where they are there. Raises StorageError."""
    target = cache_dir() / "weights" / f"{digest}.caffemodel"
    if not target.is_file():
        with (
            files.whole(target, synced=False) as temporary,
            path.open("rb") as source,
            mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as buffer,
            temporary.open("wb") as out,
        ):
            out.writelines(caffe_form(buffer, layers))
    return target


def refuse_several(location: str, folder: Path) -> None:
    """Raise BadNetError for several caffemodels with commas between, as `caffe train -weights` takes them."""
    names = [name.strip() for name in location.split(",")]
    if sum(name.endswith((".caffemodel", ".h5")) for name in names) < 2 or Path(location).exists():
        return
    raise BadNetError(
        f"base.weights: names {len(names)} files. Caffe copies one after the other, a later one over those "
        f"before it if both have a layer; ftjob takes one file: {_of_several(names, folder)}"
    )


def _of_several(names: list[str], folder: Path) -> str:
    """Return which of several caffemodels to give, as far as their layers show."""
    try:
        found = [{layer.name for layer in read_weights(folder / name) if layer.blobs} for name in names]
    except BadNetError:
        return "give the one that counts"
    *earlier, last = found
    lost = sorted(set[str]().union(*earlier) - last)
    if not lost:
        return f"give {names[-1]}, which has all layers of the others and would overwrite them"
    return (
        f"give one, or copy all of them into one net (pycaffe's Net.copy_from) and save that; {names[-1]} "
        f"lacks {listed(lost)}"
    )
