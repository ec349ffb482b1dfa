"""Caffe's fatal messages about the data it reads: records, lists of images, means and labels."""

from ftjob.caffelog.rule import MEAN_OF_DATA, NUM_OUTPUT_OF_DATA, FatalRule
from ftjob.errors import BadDataError, BadNetError

DATA_RULES = (
    # db_leveldb.cpp, db.cpp
    FatalRule(
        r"Failed to open leveldb (?P<path>\S+)(?=[^\n]*\n?[^\n]*[Ll]ock)",
        BadDataError,
        "the LevelDB {path} is open already: TRAIN and TEST cannot read one, nor can two processes",
        "give each its own, or build an LMDB with `ftjob data build`",
    ),
    FatalRule(
        r"Failed to open leveldb (?P<path>\S+)",
        BadDataError,
        "the LevelDB {path} cannot be opened",
        "fix the path, or build an LMDB with `ftjob data build`; one that is an LMDB needs backend: LMDB",
    ),
    FatalRule(
        r"Unknown database backend",
        BadDataError,
        "this Caffe is built without the database that {layer} of {net} reads (LMDB or LevelDB)",
        "use a Caffe with it: USE_LMDB, USE_LEVELDB",
    ),
    # data_layer.cpp, data_transformer.cpp, io.cpp
    FatalRule(
        r"datum_channels > 0",
        BadDataError,
        "{lmdb} is empty, or what it has is not Datum",
        "build it with `ftjob data build`",
    ),
    FatalRule(
        r"Could not decode datum|Datum not encoded|(?<!d)\bdatum\.encoded\(\)",
        BadDataError,
        "a record of {lmdb} is no image that can be decoded",
        "`ftjob data check` names it",
    ),
    FatalRule(
        r"Could not (?:load|open or find file) (?P<path>.*)",
        BadDataError,
        "the image {path} is not there or cannot be read",
        "fix the list or the image: paths in it count from root_folder",
    ),
    FatalRule(
        r"cv_img\.data",
        BadDataError,
        "an image cannot be read",
        "`ftjob data build` names the images that cannot be read",
    ),
    FatalRule(
        r"File is empty|!lines_\.empty\(\)",
        BadDataError,
        "the list of images that {layer} of {net} reads is empty",
        "give one with a path and a label a line",
    ),
    FatalRule(
        r"Failed (?:to open|opening) (?:source file|window file|HDF5 file): ?(?P<path>.*)",
        BadDataError,
        "{path}, which {layer} of {net} reads, cannot be opened",
        "fix the path",
    ),
    FatalRule(
        r"Failed to find HDF5 dataset (?P<top>\S+)",
        BadDataError,
        "the HDF5 file that {layer} of {net} reads has no dataset {top}",
        "write a dataset for each top of the layer, under its name",
    ),
    FatalRule(
        r"vs\. 0\) mkdir ?(?P<path>\S[^\n]*) failed",
        BadDataError,
        "the folder {path} cannot be created: it already exists, or its parent is missing or not writable",
        "remove what an earlier attempt left there, or give another name",
    ),
    FatalRule(
        r"Positive batch size required",
        BadDataError,
        "{layer} of {net} has batch_size 0",
        "give it a batch_size",
        "data:\n  batch_size: ...",
    ),
    FatalRule(
        r"(?:datum|input|img|cv)_(?:height|width) >= crop_size \((?P<size>\d+) vs\. (?P<crop>\d+)\)",
        BadDataError,
        "{images} are {size} pixels high or wide, less than data.crop {crop}",
        "lower it, or build the data with larger images",
        "data:\n  crop: {size}",
    ),
    FatalRule(
        r"(?:datum_|img_|input_)?(?:channels|height|width) == data_mean_|mean blob",
        BadDataError,
        "the mean has another size than {images}",
        "use data.mean auto, or a value per channel",
        MEAN_OF_DATA,
    ),
    FatalRule(
        r"Incorrect data field size (?P<size>\d+)|size_in_datum == data_size",
        BadDataError,
        "the records of an LMDB differ in size",
        "build it again with one size",
    ),
    FatalRule(
        r"datum_(?P<axis>channels|height|width) == \w+ \((?P<other>\d+) vs\. (?P<first>\d+)\)",
        BadDataError,
        "the records of an LMDB differ in {axis}, {other} after {first}",
        "build it again with one size",
    ),
    FatalRule(
        r"Specify either 1 mean_value or as many as channels: (?P<channels>\d+)",
        BadDataError,
        "data.mean has another number of values than the images' {channels} channels",
        patch=MEAN_OF_DATA,
    ),
    FatalRule(
        r"ReadProtoFromBinaryFile\(filename, proto\)",
        BadDataError,
        "the mean file of {layer} of {net} is not a binaryproto",
        "make it again, or use data.mean auto",
        MEAN_OF_DATA,
    ),
    # softmax_loss_layer.cpp, accuracy_layer.cpp
    FatalRule(
        r"label(?:_value)? < [^\n]*\((?P<label>\d+) vs\. (?P<count>\d+)\)",
        BadDataError,
        "a label is outside 0..num_output-1: it is {label}, and there are {count} outputs",
        "`ftjob data check` names the record",
        NUM_OUTPUT_OF_DATA,
    ),
    FatalRule(
        r"label(?:_value)? (?:<|>=) ",
        BadDataError,
        "a label is outside 0..num_output-1",
        "`ftjob data check` names the record",
        NUM_OUTPUT_OF_DATA,
    ),
    FatalRule(
        r"top_k_ <= [^\n]*\((?P<best>\d+) vs\. (?P<count>\d+)\)",
        BadNetError,
        "{layer} of {net} looks for the label among the best {best} scores, but there are only "
        "{count} classes",
        "lower its top_k, or remove the layer",
    ),
    FatalRule(
        r"count\(1\) == bottom\[1\]->count\(1\) \((?P<scores>\d+) vs\. (?P<values>\d+)\)",
        BadNetError,
        "{layer} of {net} compares {scores} numbers per image with {values}",
        "set num_output of the layer before it to the number of values in a label; to train classes, use "
        "SoftmaxWithLoss",
    ),
    FatalRule(
        r"Number of labels must match number of predictions",
        BadDataError,
        "there is not one label for each image's scores: records have several labels, or the head makes "
        "scores for many places of an image",
        "give one label per record; let a global pooling or an InnerProduct end the net",
    ),
)
