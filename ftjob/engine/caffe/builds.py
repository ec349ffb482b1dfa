"""The builds of Caffe that ftjob makes from Debian 11, the last release with Caffe."""

from dataclasses import dataclass, replace

RELEASE = "bullseye"
SECURITY = "bullseye-security"
"""The suite of its security updates, on the mirror beside its own: http://HOST/debian-security."""


@dataclass(frozen=True)
class Build:
    """What a bundle is made of."""

    packages: tuple[str, ...]
    components: str = "main"
    sources: tuple[str, ...] = ()
    """Source packages that are downloaded too."""
    unneeded: tuple[str, ...] = ()
    """File names of packages (fnmatch) that dependencies bring and nothing here uses."""
    last: str = ""
    """A folder of the host's libraries, searched after the bundle's."""


CPU = Build(packages=("caffe", "python3-caffe", "libopenblas0-pthread"))

CUDA = replace(
    CPU,
    packages=(*CPU.packages, "libcudart11.0", "libcublas11", "libcublaslt11", "libcurand10"),
    components="main contrib non-free",
    last="/usr/lib/x86_64-linux-gnu",
)
"""The same with CUDA 11.2, Debian's own: Caffe itself is compiled, as tools/compile-caffe does, and laid over
Debian's. The driver's libcuda is the host's."""

TOOLCHAIN = Build(
    packages=(
        *("nvidia-cuda-toolkit-gcc", "nvidia-cuda-dev", "g++", "cmake", "make", "dpkg-dev"),
        *(
            "base-files",
            "bash",
            "coreutils",
            "dash",
            "diffutils",
            "findutils",
            "gawk",
            "grep",
            "libc-bin",
            "sed",
        ),
        *("bzip2", "gzip", "patch", "perl", "tar", "xz-utils"),
        *("libboost-dev", "libboost-filesystem-dev", "libboost-python-dev", "libboost-system-dev"),
        *("libboost-thread-dev", "libgflags-dev", "libgoogle-glog-dev", "libhdf5-dev", "liblmdb-dev"),
        *("libopenblas-pthread-dev", "libopencv-dev", "libprotobuf-dev", "libprotoc-dev", "libsnappy-dev"),
        *("protobuf-compiler", "python3-dev", "python3-numpy"),
    ),
    components="main contrib non-free",
    sources=("caffe",),
    unneeded=(
        *("libcufft*", "libcuinj*", "libcupti*", "libcusolver*", "libcusparse*", "libnpp*", "libnvjpeg*"),
        *(
            "libnvrtc*",
            "libnvvp*",
            "libllvm*",
            "libgl1-mesa*",
            "libgtk-3-common*",
            "nsight*",
            "nvidia-cuda-gdb*",
        ),
        *("nvidia-profiler*", "nvidia-visual*", "adwaita*", "proj-data*", "systemd_*", "*-doc_*"),
    ),
)
"""What compiles Caffe with CUDA."""
