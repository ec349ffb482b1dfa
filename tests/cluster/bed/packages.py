"""Debian's packages, downloaded by apt and unpacked into a folder: nothing is installed on the host."""

import os
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ftjob.engine.caffe.apt import KEYRING, debian_mirror

RELEASE = "bookworm"


@dataclass(frozen=True)
class Apt:
    """apt with sources and a cache of its own; what the host has installed counts as there."""

    folder: Path
    release: str = RELEASE

    def prepare(self) -> None:
        """Make the folders and the list of sources, and read the archive's index."""
        for sub in ("lists/partial", "cache/archives/partial", "sources", "downloads"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "sources" / "debian.sources").write_text(
            f"Types: deb deb-src\nURIs: {debian_mirror(self.folder, None)}\nSuites: {self.release}\n"
            f"Components: main\nSigned-By: {KEYRING}\n"
        )
        self._apt("update")

    def unpack(self, packages: Iterable[str], root: Path, *, alone: bool = False) -> None:
        """Unpack the packages and, unless they are taken `alone`, what they need that the host has not."""
        names = list(packages)
        self._apt("download", *names)
        if not alone:
            self._apt("--download-only", "--yes", "install", *names)
        archives = [*self.downloads.glob("*.deb"), *(self.folder / "cache" / "archives").glob("*.deb")]
        for archive in archives:
            subprocess.run(["dpkg-deb", "--extract", archive, root], check=True)
            archive.unlink()

    def source(self, package: str, to: Path) -> None:
        """Unpack the upstream source of a package; Debian's patches of it are not wanted."""
        self._apt("--download-only", "source", package)
        [archive] = self.downloads.glob(f"{package}_*.orig.tar.*")
        to.mkdir(parents=True)
        subprocess.run(["tar", "-xf", archive, "-C", to, "--strip-components=1"], check=True)

    @property
    def downloads(self) -> Path:
        return self.folder / "downloads"

    def _apt(self, *arguments: str) -> None:
        settings = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.folder / "sources",
            "Dir::State::Lists": self.folder / "lists",
            "Dir::Cache": self.folder / "cache",
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",  # nothing is installed, so the host's dpkg may be at work
        }
        options = [f"-o{name}={value}" for name, value in settings.items()]
        command = ["apt-get", "-qq", *options, *arguments]
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        done = subprocess.run(command, cwd=self.downloads, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"apt-get {' '.join(arguments)} failed: {done.stderr.strip()}")
