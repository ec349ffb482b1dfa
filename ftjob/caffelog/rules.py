"""The table of what Caffe says before it ends: the cause, what to do, and the change of the spec."""

from dataclasses import dataclass

from ftjob.errors import (
    BadDataError,
    BadNetError,
    BadSpecError,
    EngineError,
    FtjobError,
    GpuMemoryError,
    StorageError,
)


@dataclass(frozen=True)
class Rule:
    """A fatal line. The texts may have the pattern's groups, {net}, {layer}, {source} and {parse}."""

    pattern: str
    kind: type[FtjobError]
    cause: str
    fix: str = ""
    patch: str = ""
    """YAML to lay over the spec, where a change of the spec is the remedy; ... is for its user to fill in."""


SMALLER_BATCH = (
    "data:\n  batch_size: ...   # half of it\nsolver:\n  iter_size: ...    # twice of it: the same result"
)
MEAN_OF_DATA = "data:\n  mean: auto"

RULES = (
    # insert_splits.cpp, net.cpp, layer_factory.hpp: how layers hang together
    Rule(
        r"Unknown layer type: (?P<type>\S+)",
        BadNetError,
        "{net} has a layer of type {type}, which this Caffe does not have",
        "correct the prototxt",
    ),
    Rule(
        r"Unknown bottom blob '(?P<blob>[^']*)' \(layer '(?P<at>[^']*)'",
        BadNetError,
        "layer {at} of {net} takes blob {blob}, which no layer before it makes",
        "correct its bottom",
    ),
    Rule(
        r"Top blob '(?P<blob>[^']*)' produced by multiple sources",
        BadNetError,
        "two layers of {net} make blob {blob}",
        "rename one top",
    ),
    Rule(
        r"Cannot copy param (?P<param>\d+) weights from layer '(?P<at>[^']*)'; shape mismatch\. +"
        r"Source param shape is (?P<have>[\d ]+) \(.*?target param shape is (?P<want>[\d ]+) \(",
        BadNetError,
        "layer {at} has shape {have} in the weights and {want} in the net",
        "name it in surgery.heads or surgery.relearn, so that it is renamed and learned afresh",
        "surgery:\n  heads: auto\n  relearn: [{at}]   # where it is no head",
    ),
    Rule(
        r"Incompatible number of blobs for layer (?P<at>\S+)",
        BadNetError,
        "layer {at} has another number of params in the weights than in the net",
        "name it in surgery.relearn",
        "surgery:\n  relearn: [{at}]",
    ),
    Rule(
        r"shape\[i\] >= 0",
        BadNetError,
        "layer {layer} of {net} has a kernel larger than its padded input",
        "use larger images or another net",
        "data:\n  resize: ...   # larger, where data.train is a folder of images\n  crop: ...",
    ),
    Rule(
        r"blob size exceeds INT_MAX",
        BadNetError,
        "layer {layer} of {net} has a blob of 2^31 numbers or more",
        "lower data.batch_size or num_output",
        SMALLER_BATCH,
    ),
    # upgrade_proto.cpp, io.cpp: files
    Rule(
        r"Failed to parse (?:Net|Solver)Parameter file: (?P<file>.*prototxt)",
        BadNetError,
        "{file}:{parse}",
        "correct the prototxt there",
    ),
    Rule(
        r"Failed to parse NetParameter file: (?P<file>.*)",
        BadNetError,
        "{file} is cut off or is not a caffemodel",
        "fetch it again",
    ),
    Rule(
        r"File not found: (?P<file>.*(?:prototxt|caffemodel|solverstate|\.h5))$",
        BadNetError,
        "there is no file {file}",
        "mend the path",
    ),
    Rule(
        r"File not found: (?P<file>.*)",
        BadDataError,
        "there is no file {file}, which layer {layer} of {net} reads",
        "mend the path",
    ),
    Rule(
        r"SerializeToOstream",
        StorageError,
        "the disk is full",
        "free some space and submit again",
    ),
    Rule(
        r"history_size|Incorrect length of history",
        BadNetError,
        "the solverstate is not of this net and solver",
        "start anew, with its caffemodel as weights",
        "base:\n  weights: ...   # the .caffemodel beside it",
    ),
    # db_lmdb.hpp, data_transformer.cpp: data
    Rule(
        r"mdb_status == 0 .*(?P<why>Permission denied|Read-only file system)",
        BadDataError,
        "the LMDB {source} of {net} cannot be opened ({why})",
        "LMDB writes a lock file beside its data, so let this user write into that folder, or copy it",
    ),
    Rule(
        r"mdb_status == 0 \(\S+ vs\. 0\) (?P<why>.*)",
        BadDataError,
        "the LMDB {source} of {net} cannot be read ({why})",
        "mend data.train or data.val, or copy or build it again",
    ),
    Rule(
        r"datum_channels > 0",
        BadDataError,
        "the LMDB {source} of {net} is empty, or what it has is not Datum",
        "build it with `ftjob data build`",
    ),
    Rule(
        r"datum_(?:height|width) >= crop_size \((?P<size>\d+) vs\. (?P<crop>\d+)\)",
        BadDataError,
        "the images in {source} are {size} pixels high or wide, less than data.crop {crop}",
        "lower it, or build the data with larger images",
        "data:\n  crop: {size}",
    ),
    Rule(
        r"(?:datum_|img_)?(?:channels|height|width) == data_mean_|mean blob",
        BadDataError,
        "the mean has another size than the images in {source}",
        "use data.mean auto, or a value per channel",
        MEAN_OF_DATA,
    ),
    Rule(
        r"datum_(?P<axis>channels|height|width) == \w+ \((?P<other>\d+) vs\. (?P<first>\d+)\)",
        BadDataError,
        "the records of an LMDB differ in {axis}, {other} after {first}",
        "build it again with one size",
    ),
    Rule(
        r"Cannot share param \d+ weights from layer '(?P<at>[^']*)'; shape mismatch",
        BadDataError,
        "the images of train and val differ in size, so layer {at} has two shapes",
        "build both with one size",
    ),
    Rule(
        r"Specify either 1 mean_value or as many as channels: (?P<channels>\d+)",
        BadDataError,
        "data.mean has another number of values than the images' {channels} channels",
        patch=MEAN_OF_DATA,
    ),
    Rule(
        r"ReadProtoFromBinaryFile\(filename, proto\)",
        BadDataError,
        "the mean file of layer {layer} of {net} is not a binaryproto",
        "make it again, or use data.mean auto",
        MEAN_OF_DATA,
    ),
    Rule(
        r"label_value (?:<|>=)|label (?:<|>=) ",
        BadDataError,
        "a label is outside 0..num_output-1",
        "`ftjob data check` names the record",
        "surgery:\n  num_output: auto",
    ),
    # common.cpp, syncedmem.hpp, math_functions.cu: the device
    Rule(
        r"Cannot use GPU in CPU-only Caffe",
        EngineError,
        "this Caffe is built without GPU",
        "run on the CPU, or install a Caffe with CUDA and name it with `ftjob engine install caffe --python`",
    ),
    Rule(
        r"cudaSuccess \(2 vs\. 0\)|CUBLAS_STATUS_ALLOC_FAILED|CUDNN_STATUS_ALLOC_FAILED",
        GpuMemoryError,
        "the GPU's memory is full",
        "lower data.batch_size (iter_size can make up for it), see `ftjob plan`",
        SMALLER_BATCH,
    ),
    Rule(
        r"host allocation of size \d+ failed",
        EngineError,
        "the machine's memory is full",
        "lower data.batch_size (iter_size can make up for it), see `ftjob plan`",
        SMALLER_BATCH,
    ),
    Rule(
        r"(?:cudaSuccess|CU\w+_STATUS_SUCCESS) \((?P<code>\d+) vs\. 0\) *(?P<why>.*)",
        EngineError,
        "the GPU failed with error {code} {why}",
        "check `nvidia-smi`, and that this Caffe is built for it",
    ),
    # solver_factory.hpp, sgd_solver.cpp
    Rule(
        r"Unknown solver type: (?P<type>\S+)",
        BadSpecError,
        "solver.type {type} is not one of AdaDelta, AdaGrad, Adam, Nesterov, RMSProp, SGD",
        patch="solver:\n  type: SGD",
    ),
    Rule(
        r"Unknown learning rate policy: (?P<policy>\S+)",
        BadSpecError,
        "solver.lr_policy {policy} is not one of fixed, step, exp, inv, multistep, poly, sigmoid",
        patch="solver:\n  lr_policy: step",
    ),
)
