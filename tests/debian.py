"""Programs from the distribution's packages, unpacked into the cache: nothing is installed."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from tests.storage.processes import locked


def unpacked(folder: Path, packages: Iterable[str]) -> Path:
    """Return a folder with what these packages and those they need have, which this machine has not;
    download and unpack them where it is not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    with locked(folder / "lock"):
        if not root.is_dir():
            shutil.rmtree(folder / "unpacking", ignore_errors=True)
            for package in _downloaded(folder / "archives", packages):
                subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "unpacking")], check=True)
            shutil.rmtree(folder / "archives")
            (folder / "unpacking").rename(root)
    return root


def libraries(root: Path) -> Path:
    """Return the folder of the unpacked packages' libraries."""
    [folder] = (root / "usr" / "lib").glob("*-linux-gnu")
    return folder


def _downloaded(archives: Path, packages: Iterable[str]) -> list[Path]:
    """Download the packages and those they need; apt's lists are fetched where the machine has none."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    install = ["-qq", f"-oDir::Cache::archives={archives}", "-oAPT::Sandbox::User=root", "--download-only"]
    command = ["apt-get", *install, "-y", "--no-install-recommends", "install", *packages]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    return sorted(archives.glob("*.deb"))
