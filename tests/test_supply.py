"""What ftjob is made of is named by hash, and listed."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftjob.engine.caffe.debian import PACKAGES

ROOT = Path(__file__).parents[1]
LOCKED = re.compile(r"^([\w.-]+)(?:\[.*?\])?==([^ ;]+)(.*?)(?=^\S|\Z)", re.MULTILINE | re.DOTALL)
DEB = "libopencv-core4.5_4.5.1+dfsg-5_amd64.deb"
WITH_EPOCH = "libgmp10_2%3a6.2.1+dfsg-1+deb11u1_amd64.deb"


def text(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def test_the_bill_has_every_locked_package_with_its_hashes(tmp_path: Path) -> None:
    """And each Debian package of a bundle, its epoch too; none of them twice."""
    (tmp_path / PACKAGES).write_text(f"{DEB} {'a' * 64}\n{WITH_EPOCH} {'b' * 64}\n")
    command = [sys.executable, "-m", "tools.sbom", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    components = json.loads(done.stdout)["components"]
    found = {
        (each["name"], each["version"]): {item["content"] for item in each["hashes"]} for each in components
    }

    locked = 0
    for lock in ("requirements.lock", "tools/uv.txt", "tools/torch.txt"):
        for name, version, rest in LOCKED.findall(text(lock)):
            locked += 1
            assert found[name, version] == set(re.findall("sha256:([0-9a-f]{64})", rest)) != set()
    assert locked > 100
    assert found["libopencv-core4.5", "4.5.1+dfsg-5"] == {"a" * 64}
    assert found["libgmp10", "2:6.2.1+dfsg-1+deb11u1"] == {"b" * 64}
    assert len({each["bom-ref"] for each in components}) == len(components)


def test_versions_are_those_of_the_makefile() -> None:
    """Hashes of another version would be those of another program."""
    makefile = text("Makefile")
    for name, variable in (("uv", "UV_VERSION"), ("torch", "TORCH_VERSION")):
        [version] = re.findall(rf"(?m)^{variable} *:= (\S+)", makefile)
        assert re.search(rf"(?m)^{name}=={re.escape(version)} ", text(f"tools/{name}.txt"))


def test_the_base_image_is_named_by_its_digest() -> None:
    """A tag may mean another image tomorrow."""
    assert re.search(r"(?m)^ARG BASE=debian:[\w.-]+@sha256:[0-9a-f]{64}$", text("Dockerfile"))


@pytest.mark.parametrize(
    ("listed", "folder", "code"),
    [(True, "empty", 0), (False, "own", 0), (False, "empty", 1), (False, "other", 1)],
)
def test_a_wheel_is_known_by_hash_or_is_the_users_own(
    tmp_path: Path, listed: bool, folder: str, code: int
) -> None:
    """One that an index gave and no list has is refused, even where a file of its name lies in the folder."""
    wheel, hashes = tmp_path / "torch-1.whl", tmp_path / "torch.txt"
    wheel.write_bytes(b"a wheel")
    digest = "cb2aff56dcc6e7a1e06a7e4bcf4ecba9ee0b1b7fdc3d32f8f5e6dd7fa5d4d4bd"
    for name, content in (("empty", None), ("own", b"a wheel"), ("other", b"another")):
        (tmp_path / name).mkdir()
        if content:
            (tmp_path / name / wheel.name).write_bytes(content)
    sums = subprocess.run(["sha256sum", str(wheel)], capture_output=True, text=True, check=True).stdout
    hashes.write_text(f"torch==1 \\\n    --hash=sha256:{sums.split()[0] if listed else digest}\n")

    command = ["tools/check-wheel", str(wheel), str(hashes), str(tmp_path / folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == code
    assert ("PIP_FIND_LINKS" in done.stderr) == bool(code)
