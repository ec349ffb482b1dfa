"""Ceph's programs, from the distribution's packages unpacked into the cache: nothing is installed."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.storage.processes import locked

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw", "ceph-base", "ceph-common")
"""66 MB with all that a small Debian 12 has not, 260 MB unpacked."""


@dataclass(frozen=True)
class Ceph:
    """Unpacked packages."""

    root: Path

    @property
    def libraries(self) -> Path:
        """The folder of the packages' libraries."""
        [folder] = (self.root / "usr" / "lib").glob("*-linux-gnu")
        return folder

    def environment(self) -> dict[str, str]:
        """What the programs run in."""
        paths = [self.libraries, self.libraries / "ceph", self.root / "lib" / self.libraries.name]
        return {
            "PATH": f"{self.root / 'usr' / 'bin'}:{os.environ['PATH']}",
            "LD_LIBRARY_PATH": ":".join(map(str, paths)),
            "PYTHONPATH": str(self.root / "usr" / "lib" / "python3" / "dist-packages"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "LC_ALL": "C.UTF-8",
        }

    def call(self, *words: str) -> str:
        """Run one program to its end and return what it printed."""
        done = subprocess.run(
            words, env=self.environment(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}: {done.stderr}"
        return done.stdout


def unpacked(cache: Path) -> Ceph:
    """Return the programs, downloading and unpacking them where the cache has none."""
    folder = cache / "testbeds" / "ceph"
    folder.mkdir(parents=True, exist_ok=True)
    root = folder / "root"
    with locked(folder / "lock"):
        if not root.is_dir():
            shutil.rmtree(folder / "unpacking", ignore_errors=True)
            for package in downloaded(folder / "archives"):
                subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "unpacking")], check=True)
            shutil.rmtree(folder / "archives")
            (folder / "unpacking").rename(root)
    return Ceph(root)


def downloaded(archives: Path) -> list[Path]:
    """Download the packages and those they need; apt's lists are fetched where the machine has none."""
    (archives / "partial").mkdir(parents=True, exist_ok=True)
    install = ["-qq", f"-oDir::Cache::archives={archives}", "-oAPT::Sandbox::User=root", "--download-only"]
    command = ["apt-get", *install, "-y", "--no-install-recommends", "install", *PACKAGES]
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    if subprocess.run(command, env=environment, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "-qq", "update"], check=True)
        subprocess.run(command, env=environment, check=True, stdout=sys.stderr)
    return sorted(archives.glob("*.deb"))
