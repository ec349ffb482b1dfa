"""Caffe's fatal messages about nets, and about weights that do not fit them."""

from ftjob.caffelog.rule import SMALLER_BATCH, FatalRule
from ftjob.errors import BadDataError, BadNetError

_UNKNOWN_TYPE = r"Unknown (?:V1LayerParameter )?layer type: "
_RELEARN = "name it in surgery.heads or surgery.relearn, so that it is renamed and learned afresh"
_RELEARN_PATCH = "surgery:\n  heads: auto\n  relearn: [{at}]   # where it is no head"
_TEST_UNLIKE_TRAIN = (
    "TEST and TRAIN must have the same params in layers of one name: write the layer once, for both phases, "
    "or give it the same settings in both"
)
_COPY = (
    r"Cannot copy param (?P<param>\d+) weights from layer '(?P<at>[^']*)'; shape mismatch\. +"
    r"Source param shape is "
)
_SHARE = (
    r"Cannot share param \d+ weights from layer '(?P<at>[^']*)'; shape mismatch\. +Source param shape is "
)
_TO = r" \(\d+\); target param shape is "
_OLD_SHARE = (
    r"target_blobs\[j\]->(?P<axis>\w+)\(\) == source_blob->\w+\(\) \((?P<want>\d+) vs\. (?P<have>\d+)\)"
)
_BLOBS = (
    r"blobs_size\(\) \((?P<want>\d+) vs\. (?P<have>\d+)\) Incompatible number of blobs for layer "
    r"(?P<at>[^\n]+)"
)
_GREY = (
    "the images are grey (1 channel) and the weights were trained on colour (3): layer {at} reads the images"
)
_COLOUR = (
    "the images are in colour (3 channels) and the weights were trained on grey ones (1): layer {at} reads "
    "the images"
)
_BUILD_COLOUR = (
    "build the data in colour, which `ftjob data build` does without --grey: grey images get three "
    "equal channels"
)
_BUILD_GREY = "build the data with `ftjob data build --grey`"
_INPUTS = "the images, or the crop of them, have another size than those that the weights were trained on"
_CROP = (
    "set data.crop to the size of the net's own training (227 for AlexNet and CaffeNet, 224 for most others)"
)
_CROP_PATCH = "data:\n  crop: ...   # that of the base net's own training"
_NVIDIA = (
    "NVIDIA's Caffe has 5 params in a BatchNorm (mean, variance, correction, scale and bias), every other 3"
)
_CONVERT = (
    "to learn it afresh would throw the statistics away that were collected in training: convert the weights"
)


def _old_copy(axis: str, numbers: str = r"(?P<want>\d+) vs\. (?P<have>\d+)") -> str:
    """Caffe's message for params that do not fit in 2014, when all blobs had four named axes."""
    return rf"target_blobs\[j\]->{axis}\(\) == source_layer\.blobs\(j\)\.\w+\(\) \({numbers}\)"


NET_RULES = (
    # insert_splits.cpp, net.cpp, layer_factory.hpp: how layers hang together
    FatalRule(
        _UNKNOWN_TYPE + r"Python\b",
        BadNetError,
        "{net} has a layer of type Python, and this Caffe is built without them (WITH_PYTHON_LAYER)",
        "take the layer out, or put one of Caffe's own types in its place: ftjob runs no Python layers, "
        "whichever its engine",
    ),
    FatalRule(
        _UNKNOWN_TYPE + r"(?P<type>Data|HDF5Data|HDF5Output|ImageData|WindowData)\b",
        BadNetError,
        "{net} has a layer of type {type}, and this Caffe is built without the library that it needs",
        "use a Caffe with OpenCV, HDF5 and LMDB (USE_OPENCV, USE_HDF5, USE_LMDB), or data in another form",
    ),
    FatalRule(
        _UNKNOWN_TYPE + r"(?P<type>\S+)",
        BadNetError,
        "{net} has a layer of type {type}, which this Caffe does not have{whose}",
        "correct the prototxt",
    ),
    FatalRule(
        r"Unknown bottom blob '(?P<blob>[^']*)' \(layer '(?P<at>[^']*)'",
        BadNetError,
        "layer {at} of {net} takes blob {blob}, which no layer before it makes",
        "correct its bottom",
    ),
    FatalRule(
        r"Top blob '(?P<blob>[^']*)' produced by multiple sources",
        BadNetError,
        "two layers of {net} make blob {blob}",
        "rename one top",
    ),
    FatalRule(
        r"(?:Bottom|Top)Blobs\(\) (?:==|<=|>=) (?:bottom|top)\.size\(\) \(\d+ vs\. (?P<have>\d+)\) "
        r"(?P<type>\w+) Layer (?P<takes>(?:takes|produces) [^.\n]*)",
        BadNetError,
        "{layer} of {net} is of type {type}, which {takes}, and it has {have}",
        "correct its bottoms and tops",
    ),
    FatalRule(
        r"loss_weight must be unspecified or specified once per top blob",
        BadNetError,
        "{layer} of {net} has another number of loss_weight than of tops",
        "give one for each top",
    ),
    FatalRule(
        r"Too many params specified for layer (?P<at>[^\n]+)",
        BadNetError,
        "layer {at} of {net} has more param {{ }} than params",
        "leave out those too many",
    ),
    # Net::ShareTrainedLayersWith: the TEST net takes the TRAIN net's params
    FatalRule(
        r"\A(?=(?s:.*)(?:source_layer->blobs|ShareTrainedLayersWith))[^\n]*Incompatible number of blobs for "
        r"layer (?P<at>[^\n]+)",
        BadNetError,
        "layer {at} has another number of params in the TEST net than in the TRAIN net",
        _TEST_UNLIKE_TRAIN,
    ),
    FatalRule(
        _SHARE + r"(?P<have>\d+) (?P<rest>[\d ]+)" + _TO + r"(?P<want>\d+) (?P=rest) \(",
        BadNetError,
        "layer {at} has {have} outputs in the TRAIN net and {want} in the TEST net",
        _TEST_UNLIKE_TRAIN,
    ),
    FatalRule(
        r"Cannot share param \d+ weights from layer '(?P<at>[^']*)'; shape mismatch",
        BadDataError,
        "the images of train and val differ in size, so layer {at} has two shapes",
        "build both with one size",
    ),
    FatalRule(
        _OLD_SHARE,
        BadNetError,
        "layer {at} has another shape in the TEST net than in the TRAIN net ({axis} {want} and {have}): the "
        "images of train and val differ, or the nets do",
        "build train and val with one size and number of channels; " + _TEST_UNLIKE_TRAIN,
    ),
    # Net::CopyTrainedLayersFrom: the net takes the params of the weights
    FatalRule(
        _COPY + r"(?P<count>\d+) 3 (?P<kernel>\d+ \d+)" + _TO + r"(?P=count) 1 (?P=kernel) \(",
        BadNetError,
        _GREY,
        _BUILD_COLOUR,
    ),
    FatalRule(
        _COPY + r"(?P<count>\d+) 1 (?P<kernel>\d+ \d+)" + _TO + r"(?P=count) 3 (?P=kernel) \(",
        BadNetError,
        _COLOUR,
        _BUILD_GREY,
    ),
    FatalRule(
        _COPY + r"1 (?P<count>\d+) 1 1" + _TO + r"(?P=count) \(",
        BadNetError,
        "layer {at} has params of 1x{count}x1x1 in the weights, as NVIDIA's Caffe writes those of a "
        "BatchNorm, and of {count} in the net",
        _CONVERT + " by taking the ones out of the shapes",
    ),
    FatalRule(
        _COPY + r"(?P<count>\d+) (?P<have>\d+)" + _TO + r"(?P=count) (?P<want>\d+) \(",
        BadNetError,
        "layer {at} reads {have} numbers per image in the weights and {want} in the net: " + _INPUTS,
        _CROP + "; " + _RELEARN + " only where the size is meant",
        _CROP_PATCH,
    ),
    FatalRule(
        _COPY + r"(?P<have>[\d ]+) \(.*?target param shape is (?P<want>[\d ]+) \(",
        BadNetError,
        "layer {at} has shape {have} in the weights and {want} in the net",
        _RELEARN,
        _RELEARN_PATCH,
    ),
    FatalRule(
        r"blobs_size\(\) \(5 vs\. 3\) Incompatible number of blobs for layer (?P<at>[^\n]+)",
        BadNetError,
        "layer {at} has 3 params in the weights and 5 in the net: " + _NVIDIA,
        _CONVERT + ", or train with a Caffe that is not NVIDIA's, as ftjob does",
    ),
    FatalRule(
        r"blobs_size\(\) \(3 vs\. 5\) Incompatible number of blobs for layer (?P<at>[^\n]+)",
        BadNetError,
        "layer {at} has 5 params in the weights and 3 in the net: " + _NVIDIA,
        _CONVERT + ", its scale and bias into a Scale layer after the BatchNorm",
    ),
    FatalRule(
        _BLOBS,
        BadNetError,
        "layer {at} has {have} params in the weights and {want} in the net, so one of them has a bias or a "
        "scale that the other has not",
        "set bias_term as it was when the weights were trained, or name the layer in surgery.relearn",
        "surgery:\n  relearn: [{at}]",
    ),
    FatalRule(
        r"Incompatible number of blobs for layer (?P<at>[^\n]+)",
        BadNetError,
        "layer {at} has another number of params in the weights than in the net",
        "set bias_term as it was when the weights were trained, or name the layer in surgery.relearn",
        "surgery:\n  relearn: [{at}]",
    ),
    FatalRule(
        _old_copy("channels", r"1 vs\. 3"),
        BadNetError,
        _GREY,
        _BUILD_COLOUR,
    ),
    FatalRule(
        _old_copy("channels", r"3 vs\. 1"),
        BadNetError,
        _COLOUR,
        _BUILD_GREY,
    ),
    FatalRule(
        _old_copy("channels"),
        BadNetError,
        "layer {at} reads {have} channels in the weights and {want} in the net",
        _RELEARN,
        _RELEARN_PATCH,
    ),
    FatalRule(
        _old_copy("width"),
        BadNetError,
        "layer {at} has {have} inputs in the weights and {want} in the net: " + _INPUTS,
        _CROP,
        _CROP_PATCH,
    ),
    FatalRule(
        _old_copy("num"),
        BadNetError,
        "layer {at} has {have} outputs in the weights and {want} in the net",
        _RELEARN,
        _RELEARN_PATCH,
    ),
    FatalRule(
        _old_copy("height"),
        BadNetError,
        "layer {at} has {have} outputs, or rows in its kernel, in the weights and {want} in the net",
        _RELEARN,
        _RELEARN_PATCH,
    ),
    FatalRule(
        r"ShapeEquals\(proto\)|Trying to copy blobs of different sizes",
        BadNetError,
        "layer {at} has another shape in the weights than in the net",
        _RELEARN,
        _RELEARN_PATCH,
    ),
    # base_conv_layer.cpp, blob.cpp, inner_product_layer.cpp: shapes
    FatalRule(
        r"shape\[i\] >= 0",
        BadNetError,
        "{layer} of {net} has a kernel larger than its padded input",
        "use larger images or another net",
        "data:\n  resize: ...   # larger, where data.train is a folder of images\n  crop: ...",
    ),
    FatalRule(
        r"except at concat_axis|bottom\[i\]->shape\(\) == bottom\[0\]->shape\(\)",
        BadNetError,
        "the branches that {layer} of {net} joins differ in size",
        "use the crop that the net was made for, or correct the pad, stride and kernel_size of one branch",
        _CROP_PATCH,
    ),
    FatalRule(
        r"blob size exceeds INT_MAX",
        BadNetError,
        "{layer} of {net} has a blob of 2^31 numbers or more",
        "lower data.batch_size or num_output",
        SMALLER_BATCH,
    ),
    FatalRule(
        r"Input size incompatible with convolution kernel",
        BadDataError,
        "a batch of images has another number of channels than the first",
        "make all records grey, or all in colour",
    ),
    FatalRule(
        r"Input size incompatible with inner product parameters",
        BadDataError,
        "a batch of images has another size than the first",
        "build all records with one size, or set data.crop",
    ),
)
