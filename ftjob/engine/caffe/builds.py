"""The builds of Caffe that Debian packaged, and what differs between their bundles."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Build:
    """One release's packages of Caffe, and the names of what they unpack to."""

    release: str
    components: str
    packages: tuple[str, ...]
    python: str
    loader: str
    blas: str
    """The folder of OpenBLAS' own libblas, which is chosen by being found first."""
    security: str = ""
    """The suite of its security updates, on the mirror beside its own: http://HOST/debian-security."""
    last: str = ""
    """A folder of the host's libraries, searched after the bundle's."""


CPU = Build(
    release="bullseye",
    components="main",
    packages=("caffe", "python3-caffe", "libopenblas0-pthread"),
    python="python3.9",
    loader="ld-2.31.so",
    blas="openblas-pthread",
    security="bullseye-security",
)
"""Debian 11, the last release with Caffe."""

CUDA = Build(
    release="buster",
    components="main contrib non-free",
    packages=("caffe-tools-cuda", "python3-caffe-cuda", "libopenblas-base"),
    python="python3.7",
    loader="ld-2.28.so",
    blas="openblas",
    last="/usr/lib/x86_64-linux-gnu",
)
"""Debian 10, the last with Caffe for GPUs: CUDA 9.2, Kepler to Volta. The driver's libcuda is the host's."""

BUILDS = {"cpu": CPU, "cuda": CUDA}
