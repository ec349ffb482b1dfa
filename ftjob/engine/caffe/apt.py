"""Debian's packages of Caffe, downloaded by apt with settings of our own: no root, no change to the host.

Signatures and checksums are apt's business; what could switch them off is set to "no" here.
"""

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from ftjob.engine.caffe.builds import CPU, RELEASE, SECURITY, Build
from ftjob.errors import BadSpecError, EngineError, FtjobError, StorageError

Progress = Callable[[float, float, str], None]
"""Called with done, total, and the unit: "MB downloaded", "packages unpacked"."""

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
DEBIAN_SUITES = (
    *("buster", "bullseye", "bookworm", "trixie", "forky", "duke", "sid"),
    *("oldoldstable", "oldstable", "stable", "testing", "unstable"),
)
TRIPLETS = {"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}
"""Debian's architectures that a bundle can be made for, and the names of their library folders."""

ELSEWHERE = (
    "use a machine of the Debian family, ftjob's container image, or a pycaffe that is already there: "
    "`ftjob engine install caffe --python /usr/bin/python3`"
)


@dataclass(frozen=True)
class Package:
    """One .deb that is to be downloaded."""

    filename: str
    size: int
    """In bytes."""


@dataclass(frozen=True)
class Apt:
    """apt on a folder of its own."""

    folder: Path
    mirror: str
    architecture: str
    lock_fd: int
    """The lock on all installs: apt inherits it, so the next install waits for an apt that outlives us."""
    build: Build = CPU

    @property
    def archives(self) -> Path:
        return self.folder / "cache" / "archives"

    def prepare(self) -> None:
        """Make the folders and files that apt expects; earlier downloads stay."""
        for sub in ("lists/partial", "cache/archives/partial", "sources"):
            (self.folder / sub).mkdir(parents=True, exist_ok=True)
        (self.folder / "status").touch()
        self._write_sources(security=True)

    def _write_sources(self, *, security: bool) -> None:
        suites = [(self.mirror, RELEASE, self.build.components)]
        if security:  # its non-free has drivers alone, which mirrors list and do not have
            suites.append((f"{self.mirror}-security", SECURITY, "main"))
        types = "deb deb-src" if self.build.sources else "deb"
        text = "\n".join(
            f"Types: {types}\nURIs: {uri}\nSuites: {suite}\nComponents: {components}\nSigned-By: {KEYRING}\n"
            for uri, suite, components in suites
        )
        (self.folder / "sources" / "caffe.sources").write_text(text)

    def command(self, *arguments: str) -> list[str]:
        """Return an apt-get command line that reads and writes this folder only."""
        settings = {
            "Dir::Etc::SourceList": "/dev/null",
            "Dir::Etc::SourceParts": self.folder / "sources",
            "Dir::State": self.folder,
            "Dir::State::Lists": self.folder / "lists",
            "Dir::State::status": self.folder / "status",
            "Dir::Cache": self.folder / "cache",
            "APT::Architecture": self.architecture,
            "APT::Architectures": self.architecture,
            "APT::Sandbox::User": "root",  # the download user of the host cannot write into a user's cache
            "APT::Install-Recommends": "false",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::AllowInsecureRepositories": "false",
            "Acquire::AllowWeakRepositories": "false",
            "Acquire::AllowDowngradeToInsecureRepositories": "false",
            "Acquire::Check-Valid-Until": "true",
            "Acquire::Languages": "none",
            "APT::Update::Error-Mode": "any",
        }
        return ["apt-get", "-qq", *(f"-o{name}={value}" for name, value in settings.items()), *arguments]

    def update(self) -> None:
        """Fetch and verify the indexes, those of security updates where the mirror has them."""
        command = self.command("-oAcquire::Retries=0", "update")
        try:
            _run(command, self.mirror)
        except FtjobError:
            self._write_sources(security=False)
            _run(command, self.mirror)

    def wanted(self) -> list[Package]:
        """Return the packages and all they depend on, those already downloaded too."""
        nothing = self.folder / "nothing"
        (nothing / "partial").mkdir(parents=True, exist_ok=True)
        command = self.command(
            f"-oDir::Cache::archives={nothing}", "--print-uris", "install", *self.build.packages
        )
        found = re.findall(r"^'[^']*' (\S+) (\d+) ", _run(command, self.mirror), re.MULTILINE)
        return [Package(name, int(size)) for name, size in found]

    def download(self, wanted: list[Package], progress: Progress) -> None:
        """Download what is missing, resuming partial files."""
        total = sum(each.size for each in wanted)
        command = self.command(
            "-oAcquire::Retries=3", "--download-only", "--yes", "install", *self.build.packages
        )
        for _ in self._polled(command):
            progress(self._downloaded() / 1e6, total / 1e6, "MB downloaded")
        progress(total / 1e6, total / 1e6, "MB downloaded")

    def download_sources(self, folder: Path) -> None:
        """Download the source packages into a folder: archives and a .dsc each, not unpacked."""
        for name in self.build.sources:
            _run(self.command("--download-only", "source", name), self.mirror, folder)

    def _polled(self, command: list[str]) -> Iterator[None]:
        """Run a command and yield five times a second until it ends."""
        with subprocess.Popen(
            command,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=_environment(),
            pass_fds=(self.lock_fd,),
        ) as child:
            try:
                while child.poll() is None:
                    yield
                    time.sleep(0.2)
            except BaseException:
                child.terminate()
                raise
            assert child.stderr is not None
            if child.returncode:
                raise explain_apt(child.stderr.read(), self.mirror)

    def _downloaded(self) -> int:
        return sum(_size(path) for path in [*self.archives.glob("*.deb"), *self.archives.glob("partial/*")])


def debian_mirror(folder: Path, requested: str | None) -> str:
    """Return the mirror to use: the given one, $FTJOB_DEBIAN_MIRROR, or the host's own Debian mirror."""
    mirror = requested or os.environ.get("FTJOB_DEBIAN_MIRROR") or _host_mirror(folder)
    if mirror is None:
        raise EngineError(
            "apt on this machine knows no Debian mirror: name one with --mirror URL or $FTJOB_DEBIAN_MIRROR, "
            "or use a pycaffe that is already there with --python /usr/bin/python3"
        )
    if not re.fullmatch(r"[a-z+]+:/\S+", mirror):
        raise BadSpecError(f"--mirror {mirror!r} is not a URL such as http://HOST/debian")
    return mirror.rstrip("/")


def check_host() -> str:
    """Return the host's Debian architecture. Raises EngineError where no bundle can be made for it."""
    for program in ("apt-get", "dpkg-deb", "dpkg"):
        if shutil.which(program) is None:
            raise EngineError(f"Caffe's packages cannot be unpacked here, there is no {program}: {ELSEWHERE}")
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    if architecture not in TRIPLETS:
        raise EngineError(
            f"there is no bundle of Caffe for {architecture}, only for amd64 and arm64: {ELSEWHERE}"
        )
    if not KEYRING.exists():
        raise EngineError(f"Debian's keys are not at {KEYRING}: install the package debian-archive-keyring")
    return architecture


def _host_mirror(folder: Path) -> str | None:
    """Ask apt what it updates from (it reads every format of source); take the first Debian archive."""
    (folder / "nothing" / "partial").mkdir(parents=True, exist_ok=True)
    command = ["apt-get", f"-oDir::State::Lists={folder / 'nothing'}", "--print-uris", "update"]
    text = subprocess.run(command, check=False, capture_output=True, text=True).stdout
    for uri, suite in re.findall(r"^'(\S+)/dists/([^/']+)/InRelease'", text, re.MULTILINE):
        if suite in DEBIAN_SUITES:
            return str(uri)
    return None


def _run(command: list[str], mirror: str, cwd: Path | None = None) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(), cwd=cwd)
    if done.returncode:
        raise explain_apt(done.stderr, mirror)
    return done.stdout


def _environment() -> dict[str, str]:
    return {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # apt moved it between the listing and now
        return 0


APT_ERRORS: tuple[tuple[str, type[FtjobError], str], ...] = (
    (
        r"No space left on device",
        StorageError,
        "the disk of ftjob's cache is full: free about 1 GB, or set $FTJOB_CACHE",
    ),
    (
        r"NO_PUBKEY|not signed|EXPKEYSIG|invalid signature|couldn't be verified|public key is not available",
        EngineError,
        f"the mirror {{mirror}} is not signed with a key of {KEYRING}: "
        "update the package debian-archive-keyring, or name another mirror with --mirror URL",
    ),
    (
        r"404 +Not Found|does not have a Release file|File not found|Unable to locate package",
        EngineError,
        f"the mirror {{mirror}} does not have Debian's {RELEASE}: name one that does with --mirror URL",
    ),
    (
        r"resolv|[Cc]ould not connect|Unable to connect|Connection (?:refused|failed|timed out)|unreachable",
        EngineError,
        "the mirror {mirror} cannot be reached: check the network and apt's proxy, or name another mirror "
        "with --mirror URL",
    ),
)


def explain_apt(stderr: str, mirror: str) -> FtjobError:
    """Return the error for apt's output."""
    for pattern, kind, sentence in APT_ERRORS:
        if re.search(pattern, stderr):
            return kind(sentence.format(mirror=mirror))
    errors = re.findall(r"^E: (.*)$", stderr, re.MULTILINE) or [stderr.strip() or "apt-get failed"]
    return EngineError(f"apt could not download Caffe: {errors[0]}; run the same command again to continue")
