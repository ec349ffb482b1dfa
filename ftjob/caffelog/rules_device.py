"""Caffe's fatal messages about GPUs and memory: CUDA, cuBLAS and cuDNN errors by number and by text."""

from ftjob.caffelog.rule import NUM_OUTPUT_OF_DATA, SMALLER_BATCH, FatalRule
from ftjob.errors import BadDataError, EngineError, GpuMemoryError

EARLY = 1000
"""Iterations within which a wrong label shows: by then most data have been seen once."""
EVER = 1 << 62
_WHY = r" *(?P<why>[^\n]*)"
_LESS = "lower data.batch_size (iter_size can make up for it), see `ftjob plan`"
_FAILED = r"(?:cudaSuccess|CU\w+_STATUS_SUCCESS) \((?P<code>\d+) vs\. 0\)" + _WHY
_OUT_OF_BOUNDS = (
    r"(?:(?:cudaSuccess \((?=(?:77|700|59|710|4|719) vs)|CUBLAS_STATUS_SUCCESS \((?=1[134] vs)|"
    r"CUDNN_STATUS_SUCCESS \((?=[78] vs))(?P<code>\d+) vs\. 0\)|"
    r"Cuda kernel failed\. Error:(?= *(?:an illegal memory|device-side assert|unspecified launch)))" + _WHY
)
"""A kernel that read outside its memory: it reports this itself, or the next library called does."""

DEVICE_RULES = (
    # common.cpp, syncedmem.hpp
    FatalRule(
        r"Cannot use GPU in CPU-only Caffe",
        EngineError,
        "this Caffe is built without GPU",
        "run on the CPU, or install a Caffe with CUDA and name it with `ftjob engine install caffe --python`",
    ),
    FatalRule(
        r"cudaSuccess \(2 vs\. 0\)|CUBLAS_STATUS_SUCCESS \(3 vs|CUDNN_STATUS_SUCCESS \(2 vs|_ALLOC_FAILED"
        r"|cudaSuccess [^\n]*out of memory|Out of memory: failed to allocate",
        GpuMemoryError,
        "the GPU's memory is full",
        _LESS,
        SMALLER_BATCH,
    ),
    FatalRule(
        r"host allocation of size \d+ failed",
        EngineError,
        "the machine's memory is full",
        _LESS,
        SMALLER_BATCH,
    ),
    FatalRule(
        r"cudaSuccess [^\n]*driver shutting down",
        EngineError,
        "Caffe failed only at exit, after the GPU's driver had shut down: whatever it saved before is intact",
        "use the last snapshot; in a Python program, delete the nets before it ends",
    ),
    # math_functions.cu, and whichever call comes next after a kernel failed
    FatalRule(
        _OUT_OF_BOUNDS,
        EngineError,
        "the GPU read outside its memory ({error}): so early in a training the usual cause is a label "
        "outside 0..num_output-1",
        "`ftjob data check` finds such labels; where there are none, look at `nvidia-smi` and its driver, "
        "and that this Caffe's CUDA is as new as the GPU",
        NUM_OUTPUT_OF_DATA,
        within=EARLY,
    ),
    FatalRule(
        _OUT_OF_BOUNDS,
        EngineError,
        "the GPU read outside its memory ({error}), long after the training began",
        "look for errors of the GPU and its driver (`dmesg | grep Xid`, `nvidia-smi -q`); a label outside "
        "0..num_output-1 does this too (`ftjob data check`)",
        within=EVER,
    ),
    # parallel.cpp of Caffe before NCCL
    FatalRule(
        r"cudaSuccess \((?P<code>\d+) vs\. 0\)" + _WHY + r"(?=[\s\S]*(?:P2PSync|^parallel\.cpp))",
        EngineError,
        "the GPUs cannot reach one another's memory (P2P: {error})",
        "train on one GPU, or check with `nvidia-smi topo -m` and CUDA's sample simpleP2P which of them can; "
        "often an IOMMU is in the way: disable it in the BIOS",
    ),
    FatalRule(
        r"(?:cudaSuccess \((?=(?:8|48|98|209) vs)|CUBLAS_STATUS_SUCCESS \((?=8 vs)|"
        r"CUDNN_STATUS_SUCCESS \((?=6 vs))(?P<code>\d+) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU failed with error {code} {why}: this Caffe has no code for GPUs of its kind",
        "build Caffe for it (CUDA_ARCH), with a CUDA and cuDNN as new as the GPU",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>35|803|804) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU's driver is older than this Caffe's CUDA ({error})",
        "install a newer driver, or a Caffe built with an older CUDA",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>10|38|100|101) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU that was requested is not there ({error})",
        "name one that `nvidia-smi` lists, and give the container access to it",
    ),
    FatalRule(
        r"CU(?:BLAS|DNN)_STATUS_SUCCESS \((?P<code>1) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU's libraries could not be started ({error})",
        "see with `nvidia-smi` that its memory is free, and that this Caffe's CUDA and cuDNN are those of "
        "its driver",
    ),
    FatalRule(
        r"ncclSuccess \((?P<code>\d+) vs\. 0\)" + _WHY,
        EngineError,
        "the GPUs cannot talk to one another (NCCL: {error})",
        "train on one GPU, or look at `nvidia-smi topo -m` and the version of NCCL",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>30|999) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU's driver does not answer as it should ({error}), as after an update, after sleep, or in a "
        "container without all of its device files",
        "check that `nvidia-smi` works and /dev/nvidia-uvm exists (`nvidia-modprobe -u`), else reboot",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>46) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU is taken by another process ({error})",
        "end those that `nvidia-smi` lists, choose another GPU, or let several share it (`nvidia-smi -c 0`)",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>6|702) vs\. 0\)" + _WHY,
        EngineError,
        "a computation took longer than the driver allows on a GPU with a display ({error})",
        "train on a GPU without one, or lower data.batch_size; on Windows raise TdrDelay in the registry",
        SMALLER_BATCH,
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>39|214) vs\. 0\)" + _WHY,
        EngineError,
        "the GPU's memory is faulty ({error})",
        "train on another GPU, and check with `nvidia-smi -q -d ECC` whether this one must be replaced",
    ),
    FatalRule(
        r"CUDNN_STATUS_SUCCESS \((?P<code>3|9) vs\. 0\)" + _WHY,
        EngineError,
        "cuDNN refused a call from this Caffe ({error}): usually it is not the version that "
        "Caffe was built for",
        "install that version, rebuild Caffe for this one, or write engine: CAFFE in the layer's param to do "
        "without cuDNN",
    ),
    FatalRule(
        r"CUDNN_STATUS_SUCCESS \((?P<code>4) vs\. 0\)" + _WHY,
        EngineError,
        "cuDNN failed internally ({error}): usually the GPU's memory is full, or cuDNN is older than the GPU "
        "or the driver",
        "check with `nvidia-smi` that memory is free, install the cuDNN of this CUDA, and remove ~/.nv, "
        "where the driver keeps compiled code; or write engine: CAFFE in the layer's param to do "
        "without cuDNN",
    ),
    FatalRule(
        r"CURAND_STATUS_SUCCESS \((?P<code>201) vs\. 0\)" + _WHY,
        EngineError,
        "cuRAND cannot start on this GPU ({error}): the usual cause is a CUDA older than the GPU, or "
        "libraries of two CUDAs side by side",
        "build Caffe with a CUDA as new as the GPU, and check with `ldd` that it loads no others",
    ),
    FatalRule(
        r"(?:cudaSuccess \((?P<code>9) vs\. 0\)|Cuda kernel failed\. Error:(?= *invalid configuration))"
        + _WHY,
        EngineError,
        "a layer had nothing to compute, or more than this GPU can start at once ({error})",
        "look for a blob without images, as behind a Filter, or a Python layer that found nothing; on a GPU "
        "of compute capability 2.x lower data.batch_size (iter_size can make up for it)",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>1|11) vs\. 0\)" + _WHY,
        EngineError,
        "Caffe gave CUDA an address or a size that it does not take ({error}): the usual cause is a Caffe "
        "that was built in part with other sources or another CUDA, or a layer that is not Caffe's own",
        "rebuild it from scratch (`make clean`); a program with several threads or GPUs must call set_device "
        "in each thread before it makes a net",
    ),
    FatalRule(
        r"cudaSuccess \((?P<code>61|712) vs\. 0\)" + _WHY,
        EngineError,
        "host memory is pinned a second time ({error}), as when two libraries in one process pin it",
        "run Caffe in a process of its own",
    ),
    FatalRule(
        r"Batch size must be divisible by the number of solvers",
        BadDataError,
        "batch_size is not a multiple of the number of GPUs, which share each batch",
        "make it a multiple of that number",
        "data:\n  batch_size: ...",
    ),
    FatalRule(
        _FAILED,
        EngineError,
        "the GPU failed with error {code} {why}",
        "check `nvidia-smi`, and that this Caffe is built for it",
    ),
    FatalRule(
        r"Cuda kernel failed\. Error:" + _WHY,
        EngineError,
        "the GPU failed ({why})",
        "check `nvidia-smi`, and that this Caffe is built for it",
    ),
)
