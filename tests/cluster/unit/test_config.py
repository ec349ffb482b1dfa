"""The controller's settings: images are the administrator's own, by digest."""

from pathlib import Path

import pytest

from ftjob.cluster.resource.config import load_config
from ftjob.errors import BadSpecError

DIGEST = "@sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize("text", ["", "worker: {cpu: '1'}", "images: {allow_tags: true}"])
def test_a_controller_without_images_does_not_start(tmp_path: Path, text: str) -> None:
    """It names the settings; what it would pull instead is some stranger's."""
    path = tmp_path / "settings.yaml"
    path.write_text(text)

    with pytest.raises(BadSpecError, match=r"images: none is set.* images\.caffe_cpu, .*images\.torch"):
        load_config(path)


def test_a_controller_without_settings_does_not_start() -> None:
    """It has no images either."""
    with pytest.raises(BadSpecError, match="--config: images: none is set"):
        load_config(None)


@pytest.mark.parametrize("image", ["r.example/torch", "r.example/torch:1", f"r.example/torch{DIGEST[:-1]}"])
def test_an_image_is_named_by_its_digest(tmp_path: Path, image: str) -> None:
    """A tag may mean another image tomorrow; who wants that says so."""
    path = tmp_path / "settings.yaml"
    path.write_text(f"images: {{torch: '{image}'}}")
    with pytest.raises(BadSpecError, match=r"images\.torch: names no digest; .*images\.allow_tags"):
        load_config(path)

    path.write_text(f"images: {{torch: '{image}', allow_tags: true}}")
    assert load_config(path).images.torch == image


def test_images_that_no_node_needs_are_left_out(tmp_path: Path) -> None:
    """One is enough; a job that needs another names the setting in the image that cannot be pulled."""
    path = tmp_path / "settings.yaml"
    path.write_text(f"images: {{torch: 'r.example/torch{DIGEST}'}}")

    images = load_config(path).images

    assert images.for_engine("torch", gpu=True) == f"r.example/torch{DIGEST}"
    assert images.for_engine("caffe", gpu=True) == "ftjob.invalid/worker-caffe-cuda:set-images.caffe_cuda"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"\xf2", "is no text in UTF-8"),
        (b"a: [", r"is no YAML \(line 1\)"),
        (b"[" * 60_000, "is no YAML"),
        (b" " * 65_537, "has 65,537 bytes"),
        (b"poll_seconds: -1", "poll_seconds: "),
        (b'"\\e[31m": 1', "a field: Extra inputs"),
        (b"lease_seconds: " + b"9" * 5000, "is no YAML"),
    ],
)
def test_settings_that_cannot_be_read_are_named(tmp_path: Path, content: bytes, problem: str) -> None:
    """In one sentence, in which nothing of theirs reaches a terminal."""
    path = tmp_path / "settings.yaml"
    path.write_bytes(content)

    with pytest.raises(BadSpecError, match=problem) as raised:
        load_config(path)

    assert str(raised.value).isprintable()
