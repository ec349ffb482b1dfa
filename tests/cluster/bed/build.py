"""The programs of a cluster: built or unpacked once per machine, in about three minutes on two cores."""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.cluster.bed.kubectl import ensure_kubectl
from tests.cluster.bed.packages import Apt
from tests.cluster.bed.places import KUBERNETES, bed_dir, tools_dir

SERVERS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
NODE_PACKAGES = (
    "etcd-server",
    "containerd",
    "runc",
    "containernetworking-plugins",
    "busybox-static",
    "iproute2",
    "openssl",
)
IMAGE_PACKAGES = ("buildah", "debootstrap", "wget")
COMPILER_PACKAGES = ("golang-1.19-go", "golang-1.19-src", "golang-github-modern-go-reflect2-dev")
NEEDED_GB = 6
"""Go's build cache is most of it, and goes away at the end; about 0.6 stay."""

Progress = Callable[[str], None]


def print_progress(sentence: str) -> None:
    """Print on stderr how far it is."""
    print(f"test bed: {sentence}", file=sys.stderr, flush=True)  # noqa: T201


def ensure_tools(progress: Progress = print_progress) -> Path:
    """Return the folder of the cluster's programs; the first call of a machine builds them.

    Of two calls at once the second waits. Raises RuntimeError where this machine cannot.
    """
    ensure_kubectl()
    tools = tools_dir()
    bed_dir().mkdir(parents=True, exist_ok=True)
    with (bed_dir() / "build.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _check_machine()
        if not (tools / "done").exists():
            _check_space()
            _build(tools, progress)
    return tools


def _check_machine() -> None:
    if os.geteuid() != 0:
        raise RuntimeError("the test bed makes namespaces and mounts: run it as root")
    kind = ["stat", "--file-system", "--format=%T", bed_dir()]
    if subprocess.run(kind, capture_output=True, text=True, check=True).stdout.strip() == "overlayfs":
        raise RuntimeError(
            f"{bed_dir()} is on overlayfs, which holds no containers: set $FTJOB_CACHE to a volume"
        )


def _check_space() -> None:
    free = shutil.disk_usage(bed_dir()).free / 1e9
    if free < NEEDED_GB:
        raise RuntimeError(f"the test bed needs {NEEDED_GB} GB under {bed_dir()} and {free:.1f} are free")


def _build(tools: Path, progress: Progress) -> None:
    began = time.monotonic()
    work = tools.with_name(tools.name + ".partial")
    shutil.rmtree(tools, ignore_errors=True)
    shutil.rmtree(work, ignore_errors=True)
    (work / "bin").mkdir(parents=True)
    progress(f"building Kubernetes {KUBERNETES}, once per machine: about three minutes on two cores")
    apt = Apt(work / "apt")
    apt.prepare()
    progress("downloading Debian's packages and the source")
    apt.unpack([*NODE_PACKAGES, *IMAGE_PACKAGES], work / "root")
    apt.unpack(COMPILER_PACKAGES, work / "compiler")
    apt.source("kubernetes", work / "go/src/k8s.io/kubernetes")
    Go(work).servers(progress)
    for left_over in ("apt", "go", "gocache", "compiler"):
        _remove_read_only(work / left_over)
    (work / "done").touch()
    work.rename(tools)
    progress(f"built in {time.monotonic() - began:.0f} s")


def _remove_read_only(folder: Path) -> None:
    subprocess.run(["chmod", "-R", "u+w", folder], check=True)
    shutil.rmtree(folder)


class Go:
    """Debian's Go, on the source as GOPATH expects it."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self.source = work / "go/src/k8s.io/kubernetes"
        self.root = work / "compiler/usr/lib/go-1.19"

    def servers(self, progress: Progress) -> None:
        """Build the servers of the control plane and the node's."""
        self._mend_reflect2()
        progress("generating the API's description")
        self._generate_openapi()
        progress(f"compiling {', '.join(SERVERS)}")
        self._go(
            *("build", "-trimpath", "-tags=providerless,dockerless", f"-ldflags={_link_flags()}"),
            "-gcflags=all=-l",  # inlining takes a quarter of the compilers' time
            *("-o", f"{self.work / 'bin'}/", *(f"./cmd/{server}" for server in SERVERS)),
        )

    def _mend_reflect2(self) -> None:
        """Take Debian's reflect2: the one in the source crashes on maps since Go 1.18."""
        vendored = self.source / "vendor/github.com/modern-go/reflect2"
        packaged = self.work / "compiler/usr/share/gocode/src/github.com/modern-go/reflect2"
        shutil.rmtree(vendored)
        shutil.copytree(packaged, vendored, ignore=shutil.ignore_patterns("*_test.go", "go.mod"))

    def _generate_openapi(self) -> None:
        """Make the one generated file that the source has not."""
        generator = self.work / "go/openapi-gen"
        self._go("build", "-o", str(generator), "./vendor/k8s.io/kube-openapi/cmd/openapi-gen")
        self._run(
            *(str(generator), "--logtostderr", "-i", ",".join(sorted(set(self._described())))),
            *("-p", "k8s.io/kubernetes/pkg/generated/openapi", "-O", "zz_generated.openapi"),
            *("-h", "vendor/k8s.io/code-generator/hack/boilerplate.go.txt"),
            *("-r", str(self.work / "go/violations")),
        )

    def _described(self) -> Iterator[str]:
        """Yield the packages whose types ask to be described."""
        for top in ("pkg", "cmd", "plugin", "staging/src/k8s.io"):
            for path in (self.source / top).rglob("*.go"):
                folder = str(path.parent.relative_to(self.source)).replace("staging/src/", "vendor/", 1)
                if folder.startswith(("vendor/k8s.io/code-generator", "vendor/k8s.io/sample-apiserver")):
                    continue
                if re.search(rb"^// *\+k8s:openapi-gen=", path.read_bytes(), re.MULTILINE):
                    yield f"k8s.io/kubernetes/{folder}"

    def _go(self, *arguments: str) -> None:
        self._run(str(self.root / "bin/go"), *arguments)

    def _run(self, *command: str) -> None:
        environment = {
            **os.environ,
            "GOROOT": str(self.root),
            "GOPATH": str(self.work / "go"),
            "GOCACHE": str(self.work / "gocache"),
            "GO111MODULE": "off",
            "GOFLAGS": "",
            "CGO_ENABLED": "0",
            "GOGC": "off",  # a fifth of the compilers' time is the search for garbage
            "GOMEMLIMIT": "2GiB",
            "PATH": f"{self.root}/bin:{os.environ['PATH']}",
        }
        done = subprocess.run(command, cwd=self.source, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command[:3])} … failed:\n{done.stderr[-3000:]}")


def _link_flags() -> str:
    """Leave out debug symbols, and put in the version that the servers report."""
    major, minor, _ = KUBERNETES.split(".")
    info = {"gitVersion": f"v{KUBERNETES}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "archive"}
    packages = ("k8s.io/client-go/pkg/version", "k8s.io/component-base/version")
    facts = [f"-X k8s.io/kubernetes/vendor/{each}.{name}={info[name]}" for each in packages for name in info]
    return " ".join(["-s", "-w", *facts])
