"""Where ftjob's images are when they are built: a folder that holds the layers which they share once."""

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

OCI = "application/vnd.oci.image"
CARD = ".manifest"
"""Ends the name of the file that says what an image is made of."""


@dataclass(frozen=True)
class Image:
    """A target of the Dockerfile, built. Its layers are not compressed."""

    name: str
    config: Path
    layers: tuple[Path, ...]

    def settings(self) -> dict[str, Any]:
        """Return what it records of itself and its layers."""
        return dict(json.loads(self.config.read_bytes()))

    def megabytes(self) -> float:
        """Return what its layers take unpacked."""
        return sum(layer.stat().st_size for layer in self.layers) / 1e6

    def write(self, stream: IO[bytes], without: Container[str]) -> None:
        """Write an OCI archive for containerd, but for the layers of these digests, which it has."""
        layers = [_described(f"{OCI}.layer.v1.tar", each.stem, each.stat().st_size) for each in self.layers]
        config = _described(f"{OCI}.config.v1+json", self.config.stem, self.config.stat().st_size)
        manifest = _json({"schemaVersion": 2, "config": config, "layers": layers})
        digest = hashlib.sha256(manifest).hexdigest()
        described = _described(f"{OCI}.manifest.v1+json", digest, len(manifest))
        named = {**described, "annotations": {"io.containerd.image.name": self.name}}
        with tarfile.open(fileobj=stream, mode="w|") as archive:
            _add(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(archive, "index.json", _json({"schemaVersion": 2, "manifests": [named]}))
            _add(archive, f"blobs/sha256/{digest}", manifest)
            for path, blob in zip((self.config, *self.layers), (config, *layers), strict=True):
                if blob["digest"] not in without:
                    archive.add(path, f"blobs/sha256/{path.stem}")


def find(name: str, shelf: Path) -> Image | None:
    """Return an image, if it is there."""
    card = _card(name, shelf)
    return _read(card, name) if card.exists() else None


def take(name: str, archive: IO[bytes], shelf: Path) -> None:
    """Take an image out of a docker archive that is being written; a layer's name is its digest."""
    shelf.mkdir(exist_ok=True)
    card, partial = _card(name, shelf), shelf / "partial"
    with tarfile.open(fileobj=archive, mode="r|") as members:
        for member in members:
            if "/" in member.name or member.name == "repositories":
                continue  # what is of no use to anybody but old dockers
            kept = card if member.name == "manifest.json" else shelf / member.name
            if not kept.exists():
                with partial.open("wb") as file:
                    shutil.copyfileobj(members.extractfile(member), file)  # type: ignore[arg-type]
                partial.rename(kept)


def drop_older(name: str, shelf: Path) -> None:
    """Remove the earlier images of an image's target, and what only they were made of."""
    kept = _card(name, shelf)
    for card in set(shelf.glob(f"{kept.name.partition(':')[0]}:*")) - {kept}:
        card.unlink()
    cards = list(shelf.glob(f"*{CARD}"))
    needed = {path for card in cards for image in [_read(card, "")] for path in (image.config, *image.layers)}
    for path in set(shelf.iterdir()) - needed - set(cards):
        path.unlink()


def _card(name: str, shelf: Path) -> Path:
    return shelf / f"{name.rpartition('/')[2]}{CARD}"


def _read(card: Path, name: str) -> Image:
    [manifest] = json.loads(card.read_bytes())
    return Image(
        name, card.with_name(manifest["Config"]), tuple(card.with_name(each) for each in manifest["Layers"])
    )


def _described(kind: str, digest: str, size: int) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": size}


def _json(content: dict[str, Any]) -> bytes:
    return json.dumps(content).encode()


def _add(archive: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    archive.addfile(member, io.BytesIO(content))
