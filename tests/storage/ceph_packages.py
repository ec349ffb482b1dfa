"""Ceph's programs, from the distribution's packages."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests import debian

PACKAGES = ("ceph-mon", "ceph-osd", "radosgw", "ceph-base", "ceph-common")
"""66 MB with all that a small Debian 12 has not, 260 MB unpacked."""


@dataclass(frozen=True)
class Ceph:
    """Unpacked packages."""

    root: Path

    @property
    def libraries(self) -> Path:
        """The folder of the packages' libraries."""
        return debian.libraries(self.root)

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
    return Ceph(debian.unpacked(cache / "testbeds" / "ceph", PACKAGES))
