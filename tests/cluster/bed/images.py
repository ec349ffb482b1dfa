"""ftjob's images, really built: from the Dockerfile, by buildah, without a registry or a daemon."""

import fcntl
import hashlib
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from urllib.parse import quote

from ftjob.engine.caffe.apt import KEYRING, debian_mirror
from tests.cluster.bed import cuda
from tests.cluster.bed.build import Progress, ensure_tools, print_progress
from tests.cluster.bed.packages import RELEASE
from tests.cluster.bed.places import bed_dir
from tests.cluster.bed.shelf import Image, drop_older, find, take

ROOT = Path(__file__).parents[3]
SOURCES = (
    *("Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "README.md", "LICENSE"),
    *("tools/uv.txt", "tools/torch.txt"),
)
PACKAGES = ("jobspec", "ftjob")
TORCH = ROOT / ".cache" / "torch"
"""Where `make torch` keeps the wheel that it installs."""
BASE = f"localhost/bed-base:{RELEASE}"
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
"""The machine's own, which its network may need; they are shown to the build and stay outside."""

MOST_BYTES = 16 * 10**9
"""One tree's images and layers take about seven; each change of the lock adds three or four."""
RUN_SECONDS = 2 * 3600
"""A run of all tests, and more."""
BESIDE_THE_HOSTS = """
for top in usr usr/lib; do mount -t overlay overlay -o "lowerdir=/$top:$0/${top#usr/}" "/$top"; done
exec "$@"
"""
"""Lay the unpacked packages under the host's /usr: buildah calls itself without any LD_LIBRARY_PATH."""


def open_store() -> "Buildah":
    """Return the place in the cache where images are built and kept."""
    folder = bed_dir() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    return Buildah(folder, ensure_tools())


def build_image(target: str, buildah: "Buildah", progress: Progress = print_progress) -> Image:
    """Return the image of a target, built unless this very tree was built before.

    Of two calls at once the second waits. Raises RuntimeError with the last lines of a build that failed.
    """
    with (buildah.folder / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        name = f"test.local/{target}:{sources_digest(target, buildah)}"
        if not (image := find(name, buildah.shelf)):
            _build(target, name, buildah, progress)
            image = find(name, buildah.shelf)
    assert image is not None
    return image


def sources_digest(target: str, buildah: "Buildah") -> str:
    """Return a digest of everything that an image is made of."""
    digest = hashlib.sha256()
    for path in sorted(_sources(target, buildah)):
        name = path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        digest.update(f"{name}\0{path.stat().st_mode & 0o111}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _sources(target: str, buildah: "Buildah") -> Iterator[Path]:
    yield from (ROOT / name for name in SOURCES)
    for place in (*(ROOT / package for package in PACKAGES), *_given(target, buildah)):
        found = [place] if place.is_file() else place.rglob("*")
        yield from (path for path in found if path.is_file() and "__pycache__" not in path.parts)


def _given(target: str, buildah: "Buildah") -> dict[Path, list[str]]:
    """Return what a target is built from here, beside the sources, and its options for buildah."""
    match target:
        case "worker-caffe-cuda":
            stage = cuda.bundle(buildah.bed) or cuda.STAND_IN
            return {stage / "opt/engines/caffe/installed.json": [f"--build-context=caffe-cuda={stage}"]}
        case "worker-torch":
            wheel = next(TORCH.glob("torch-*.whl"), None)
            if wheel is None:
                raise RuntimeError(f"there is no wheel of PyTorch in {TORCH}: run `make torch`")
            requirement = f"torch @ file:///mnt/{quote(wheel.name)}"
            return {TORCH: [f"--volume={TORCH}:/mnt:ro", f"--build-arg=TORCH={requirement}"]}
    return {}


def _build(target: str, name: str, buildah: "Buildah", progress: Progress) -> None:
    buildah.make_room()
    buildah.ensure_base(progress)
    if target == "worker-caffe-cuda":
        progress(
            "its Caffe is "
            + ("compiled here" if cuda.bundle(buildah.bed) else "a stand-in: `make test-images` compiles it")
        )
    progress(f"building the image {target}; minutes the first time, seconds when only ftjob changed")
    buildah.build(target, name, *_base_worker(target, buildah))
    buildah.push(name)


def _base_worker(target: str, buildah: "Buildah") -> list[str]:
    """Build what all workers begin with, once, and return how buildah takes it.

    Else it would read all packages again for each of them, to know them from those in its cache.
    """
    if target == "controller":
        return []
    name = f"test.local/base-worker:{sources_digest('base-worker', buildah)}"
    if not buildah.has(name):
        buildah.build("base-worker", name)
    return [f"--build-context=base-worker=container-image://{name}"]


@dataclass(frozen=True)
class Buildah:
    """buildah on a storage of its own; a mount namespace takes what it mounts with it."""

    folder: Path
    tools: Path

    @property
    def bed(self) -> Path:
        """The test bed's folder in the machine's cache, whatever cache a test has."""
        return self.folder.parent

    @property
    def shelf(self) -> Path:
        """Where images are when they are built."""
        return self.folder / "shelf"

    def has(self, name: str) -> bool:
        """Return whether an image is in the storage."""
        return name in self.run("images", "--format={{.Name}}:{{.Tag}}").split()

    def make_room(self) -> None:
        """Begin anew where the layers of earlier trees have become many.

        Not while images of this run are among them: those made before and after would share no layer.
        """
        if any(time.time() - path.stat().st_mtime < RUN_SECONDS for path in self.shelf.glob("*.json")):
            return
        du = ["du", "-sk", self.folder]  # which fails where a file goes while it looks, and counts the rest
        used = subprocess.run(du, capture_output=True, text=True, check=False).stdout
        if int(used.split()[0]) * 1024 > MOST_BYTES:
            self.run("rmi", "--all", "--force")

    def ensure_base(self, progress: Progress) -> None:
        """Make the image that all others begin with, unless it is there; of two calls the second waits."""
        with (self.folder / "base.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not self.has(BASE):
                progress(f"making a {RELEASE} base image")
                self.make_base()

    def build(self, target: str, name: str, *more: str) -> None:
        """Build a target of the Dockerfile, with more of buildah's options."""
        secret = [f"--secret=id=ca,src={CERTIFICATES}"] if CERTIFICATES.exists() else []
        settings = ["--isolation=chroot", "--pull-never", "--layers", f"--build-arg=BASE={BASE}", *secret]
        given = chain.from_iterable(_given(target, self).values())
        self.run("build", *settings, *given, *more, f"--target={target}", f"--tag={name}", str(ROOT))

    def push(self, name: str) -> None:
        """Put an image on the shelf."""
        push = self._buildah("push", "--quiet", name, f"docker-archive:/dev/stdout:{name}")
        with subprocess.Popen(self._beside_the_hosts(*push), stdout=subprocess.PIPE) as pushing:
            assert pushing.stdout is not None
            take(name, pushing.stdout, self.shelf)
        if pushing.returncode:
            raise RuntimeError(f"buildah push failed ({pushing.returncode})")
        drop_older(name, self.shelf)

    def make_base(self) -> None:
        """Make what debian:bookworm-slim is: a minimal system without documentation."""
        tree = self.folder / "base"
        shutil.rmtree(tree, ignore_errors=True)
        mirror = debian_mirror(self.folder, None)
        options = ["--variant=minbase", f"--keyring={KEYRING}", "--merged-usr"]
        self._run("debootstrap", *options, RELEASE, str(tree), mirror)
        for left_over in ("var/lib/apt/lists", "var/cache/apt/archives", "var/log"):
            shutil.rmtree(tree / left_over)
            (tree / left_over).mkdir()
        for documentation in ("doc", "man", "locale", "info", "lintian"):
            shutil.rmtree(tree / "usr/share" / documentation, ignore_errors=True)
        container = self.run("from", "scratch").strip()
        self.run("add", "--quiet", container, str(tree), "/")
        self.run("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(tree)

    def run(self, verb: str, *arguments: str) -> str:
        """Call buildah."""
        return self._run(*self._buildah(verb, *arguments))

    def _buildah(self, verb: str, *arguments: str) -> list[str]:
        storage = [
            f"--root={self.folder}/storage",
            f"--runroot={self.folder}/run",
            "--storage-driver=overlay",
        ]
        etc = self.tools / "root/etc/containers"
        policy = [f"--signature-policy={etc}/policy.json"] if verb not in ("images", "add", "rmi") else []
        registries = [f"--registries-conf={etc}/registries.conf"]
        return ["buildah", *storage, *registries, verb, *policy, *arguments]

    def _run(self, *command: str) -> str:
        done = subprocess.run(self._beside_the_hosts(*command), capture_output=True, text=True)
        if done.returncode:
            output = (done.stdout + done.stderr)[-3000:]
            raise RuntimeError(f"{' '.join(command[:1])} failed ({done.returncode}):\n{output}")
        return done.stdout

    def _beside_the_hosts(self, *command: str) -> list[str]:
        scratch = self.folder / "tmp"
        scratch.mkdir(exist_ok=True)
        script = ["sh", "-ec", BESIDE_THE_HOSTS, str(self.tools / "root")]
        return ["unshare", "--mount", *script, "env", f"TMPDIR={scratch}", *command]
