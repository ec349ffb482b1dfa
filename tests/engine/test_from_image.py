"""`ftjob engine install caffe --from IMAGE.TAR`: any archive is an image with Caffe, or one sentence."""

import contextlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.engine.caffe.from_image import INSIDE, take_from_image
from ftjob.engine.caffe.install import install_caffe
from ftjob.engine.caffe.installed import find_caffe, record_path
from ftjob.errors import BadSpecError, EngineError, FtjobError

RECORD = {"python": "bin/caffe-python", "binaries": "bin", "version": "1.0.0", "origin": "bundle"}
CUDA = {"release": "11.2", "sm": [37], "ptx": [60]}
DIGEST = "sha256:" + "a" * 64


def silent(*_: object) -> None:
    """Show no progress."""


def a_tar(files: Mapping[str, bytes | str], mode: str = "w") -> bytes:
    """An archive of files, and of symlinks, which are given by a text."""
    with io.BytesIO() as stream:
        with tarfile.open(fileobj=stream, mode=mode) as archive:
            for name, content in files.items():
                member = tarfile.TarInfo(name)
                if isinstance(content, str):
                    member.type, member.linkname = tarfile.SYMTYPE, content
                    archive.addfile(member)
                else:
                    member.size, member.mode = len(content), 0o755
                    archive.addfile(member, io.BytesIO(content))
        return stream.getvalue()


def saved(path: Path, *layers: Mapping[str, bytes | str]) -> Path:
    """An image as `docker save` writes it."""
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    manifest = json.dumps([{"Config": "c.json", "RepoTags": ["x"], "Layers": names}]).encode()
    parts = {name: a_tar(layer) for name, layer in zip(names, layers, strict=True)}
    path.write_bytes(a_tar({"manifest.json": manifest, **parts}))
    return path


def engine(**files: bytes | str) -> dict[str, bytes | str]:
    """Files of an engine's folder in a layer."""
    return {f"{INSIDE}/{name}": content for name, content in files.items()}


def test_the_engine_alone_is_taken(tmp_path: Path) -> None:
    """With links that stay in it; what a higher layer has, or removed, counts."""
    low = {
        "etc/passwd": b"root",
        **engine(a=b"1", b=b"2", c=b"3", d="a", e="/etc/alternatives/e", f="../../x"),
    }
    high = {"usr/bin/ftjob": b"", **engine(b=b"new", **{".wh.c": b""})}

    take_from_image(saved(tmp_path / "image.tar", low, high), tmp_path / "caffe", silent)

    assert {each.name for each in (tmp_path / "caffe").iterdir()} == {"a", "b", "d"}
    assert (tmp_path / "caffe/b").read_bytes() == b"new"
    assert (tmp_path / "caffe/d").read_bytes() == b"1"


def test_a_folder_that_a_layer_makes_anew_has_nothing_of_lower_ones(tmp_path: Path) -> None:
    """An opaque whiteout."""
    low, high = engine(**{"lib/a": b"1", "b": b"2"}), engine(**{"lib/.wh..wh..opq": b"", "lib/c": b"3"})

    take_from_image(saved(tmp_path / "image.tar", low, high), tmp_path / "caffe", silent)

    assert {each.name for each in (tmp_path / "caffe").iterdir()} == {"lib", "b"}
    assert [each.name for each in (tmp_path / "caffe/lib").iterdir()] == ["c"]


@pytest.mark.parametrize("name", ["../.wh.kept", "../kept", "lib/../../.wh.kept", "../.wh..wh..opq"])
def test_nothing_outside_of_the_folder_is_touched(tmp_path: Path, name: str) -> None:
    """Whatever an archive calls its members."""
    (tmp_path / "kept").write_text("kept")
    image = saved(tmp_path / "image.tar", engine(**{"a": b"1", "lib/b": b"2", name: b"3"}))

    with pytest.raises(BadSpecError, match="is not a whole image"):
        take_from_image(image, tmp_path / "caffe", silent)

    assert (tmp_path / "kept").read_text() == "kept"


def test_an_oci_archive_is_taken_too(tmp_path: Path) -> None:
    """Its layers are blobs, compressed."""
    blobs = {
        "m": json.dumps({"layers": [{"digest": "sha256:l"}]}).encode(),
        "l": a_tar(engine(a=b"1"), "w:gz"),
    }
    index = json.dumps({"manifests": [{"digest": "sha256:m"}]}).encode()
    archive = tmp_path / "image.tar"
    archive.write_bytes(a_tar({"index.json": index, **{f"blobs/sha256/{k}": v for k, v in blobs.items()}}))

    take_from_image(archive, tmp_path / "caffe", silent)

    assert (tmp_path / "caffe/a").read_bytes() == b"1"


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"no archive", "is not a whole image saved to a file: write one with `docker save"),
        (a_tar({"x": b""}), "is not a whole image saved to a file"),
        (a_tar({"manifest.json": b"{"}), "is not a whole image saved to a file"),
        (a_tar({"manifest.json": b"[]"}), "has 0 images: save one"),
        (a_tar({"manifest.json": b'[{"Layers": ["gone"]}]'}), "lacks its part gone: save the image again"),
        (a_tar({"manifest.json": b'[{"Layers": []}]'}), "has no Caffe in /opt/engines/caffe"),
    ],
)
def test_any_other_file_is_refused(tmp_path: Path, content: bytes, sentence: str) -> None:
    """And nothing is left."""
    (archive := tmp_path / "image.tar").write_bytes(content)

    with pytest.raises(BadSpecError, match=sentence):
        take_from_image(archive, tmp_path / "caffe", silent)

    assert not (tmp_path / "caffe").exists()


@given(st.data())
def test_a_damaged_archive_is_an_error_of_ours(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    """Cut off or with bytes flipped: a sentence, and nothing outside of the folder."""
    folder = tmp_path_factory.mktemp("damaged")
    whole = bytearray(saved(folder / "image.tar", engine(a=b"1" * 900, b="a")).read_bytes())
    for place in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=4)):
        whole[place] ^= data.draw(st.integers(1, 255))
    (folder / "image.tar").write_bytes(whole[: data.draw(st.integers(0, len(whole)))])

    with contextlib.suppress(FtjobError):
        take_from_image(folder / "image.tar", folder / "in" / "caffe", silent)
    assert {each.name for each in folder.iterdir()} <= {"image.tar", "in"}


def test_an_image_without_a_gpus_caffe_is_not_installed_for_gpus(tmp_path: Path) -> None:
    """--cuda: what was installed stays."""
    record_path().parent.mkdir(parents=True)
    record_path().write_text(json.dumps({**RECORD, "python": "/bin/true", "version": "0.9"}))
    image = saved(tmp_path / "image.tar", engine(**{"installed.json": json.dumps(RECORD).encode()}))

    with pytest.raises(
        BadSpecError, match="its Caffe computes on processors only: save the image worker-caffe-cuda"
    ):
        install_caffe(image=image, cuda=True, progress=silent)

    assert find_caffe().version == "0.9"


def test_a_caffe_that_does_not_compute_replaces_nothing(tmp_path: Path) -> None:
    """It is tried before what is installed goes."""
    record_path().parent.mkdir(parents=True)
    record_path().write_text(json.dumps({**RECORD, "python": "/bin/true", "version": "0.9"}))
    record = json.dumps({**RECORD, "cuda": CUDA}).encode()
    files = {"installed.json": record, "bin/caffe-python": b"#!/bin/sh\nexit 1\n"}
    image = saved(tmp_path / "image.tar", engine(**files))

    with pytest.raises(EngineError):
        install_caffe(image=image, cuda=True, progress=silent)

    assert find_caffe().version == "0.9"
    assert [each.name for each in record_path().parents[1].iterdir() if "new" in each.name] == []


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    """Which of them is meant only the user knows."""
    with pytest.raises(BadSpecError, match="--python and --from name two sources"):
        install_caffe(image=tmp_path, python=tmp_path, progress=silent)


def test_without_an_image_the_way_to_build_one_is_named() -> None:
    """A Caffe for GPUs is compiled, which takes a container."""
    with pytest.raises(
        BadSpecError, match=r"docker build --target worker-caffe-cuda .* add --from caffe\.tar"
    ):
        install_caffe(cuda=True, progress=silent)
