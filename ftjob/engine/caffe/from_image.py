"""Take the Caffe out of a container image that was saved to a file."""

import json
import shutil
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ftjob.engine.caffe.apt import Progress
from ftjob.errors import BadSpecError, StorageError

INSIDE = PurePosixPath("opt/engines/caffe")
"""The engine's folder in an image (Dockerfile)."""
WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"
"""What a layer has in the place of a file, or of all files of a folder, that lower ones have."""


def take_from_image(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack the Caffe of an image into `folder`, which is new.

    `archive` is what `docker save`, `podman save` or `buildah push IMAGE docker-archive:FILE` writes, or an
    OCI archive. Raises BadSpecError for any other file and for an image without Caffe, StorageError on a full
    disk.
    """
    try:
        with tarfile.open(archive) as image:
            layers = _layers(image, archive)
            for number, layer in enumerate(layers, start=1):
                progress(number - 1, len(layers), "layers read")
                with tarfile.open(fileobj=_member(image, layer, archive), mode="r|*") as content:
                    _unpack(content, folder)
            progress(len(layers), len(layers), "layers read")
    except (tarfile.TarError, EOFError, ValueError, KeyError, TypeError) as error:
        raise BadSpecError(
            f"--from {archive}: is not a whole image saved to a file: write one with `docker save IMAGE "
            "--output FILE` or `buildah push IMAGE docker-archive:FILE`"
        ) from error
    except OSError as error:
        raise StorageError(f"--from {archive}: {error.strerror or error}") from error
    if not folder.is_dir():
        raise BadSpecError(
            f"--from {archive}: has no Caffe in /{INSIDE}: save the image worker-caffe-cuda, or for "
            "processors worker-caffe-cpu"
        )


def _layers(image: tarfile.TarFile, archive: Path) -> list[str]:
    """Return the names of the layers in a saved image, lowest first."""
    names = set(image.getnames())
    if "manifest.json" in names:
        manifest = _only(_json(image, "manifest.json", archive), archive)
        return [str(layer) for layer in manifest["Layers"]]
    if "index.json" in names:
        entry = _only(_json(image, "index.json", archive)["manifests"], archive)
        manifest = _json(image, _blob(entry["digest"]), archive)
        return [_blob(layer["digest"]) for layer in manifest["layers"]]
    raise ValueError("has no manifest")


def _only(images: list[Any], archive: Path) -> Any:
    if len(images) != 1:
        raise BadSpecError(f"--from {archive}: has {len(images)} images: save one")
    return images[0]


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/', 1)}"


def _json(image: tarfile.TarFile, name: str, archive: Path) -> Any:
    return json.load(_member(image, name, archive))


def _member(image: tarfile.TarFile, name: str, archive: Path) -> IO[bytes]:
    try:
        stream = image.extractfile(name)
    except KeyError:
        stream = None
    if stream is None:
        raise BadSpecError(f"--from {archive}: lacks its part {name}: save the image again")
    return stream


def _unpack(layer: tarfile.TarFile, folder: Path) -> None:
    """Unpack what a layer has of the engine; what it removed from lower ones goes (OCI, whiteouts)."""
    for member in layer:
        inside = _inside(member.name)
        if inside is None:
            continue
        if inside.name.startswith(WHITEOUT):
            hidden = folder / inside.parent
            if inside.name != OPAQUE:
                _remove(hidden / inside.name.removeprefix(WHITEOUT))
            elif hidden.is_dir():
                for path in list(hidden.iterdir()):
                    _remove(path)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        target = _inside(member.linkname) if member.islnk() else None
        link = member.linkname if target is None else str(target)
        try:
            layer.extract(member.replace(name=str(inside), linkname=link, deep=False), folder, filter="data")
        except (tarfile.AbsoluteLinkError, tarfile.LinkOutsideDestinationError):
            continue  # into the image's own /etc: alternatives, which the launchers go round


def _inside(name: str) -> PurePosixPath | None:
    """Return a member's place in the engine's folder; None for one that is not in it.

    Raises ValueError for a name that climbs out of its folder.
    """
    path = PurePosixPath(name.removeprefix("./").lstrip("/"))
    if ".." in path.parts:
        raise ValueError(f"{name} climbs")
    return path.relative_to(INSIDE) if path.is_relative_to(INSIDE) else None


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
