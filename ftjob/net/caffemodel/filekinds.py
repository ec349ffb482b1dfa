"""What a file is that was given as weights or as net, by its first bytes."""

import re
from contextlib import suppress
from dataclasses import dataclass

from ftjob.net.proto.caffe_pb2 import BlobProto, NetParameter, SolverState
from ftjob.protowire import BYTES, VARINT, Field, MalformedError, first_fields

HEAD = 4096
"""Bytes that `file_kind` is to be given, where a file has as many."""


@dataclass(frozen=True)
class FileKind:
    """What a file is, to follow `is` in a message, and what to do where it was given as net or as weights."""

    what: str
    as_weights: str
    as_net: str = "give the prototxt of the net"


_CONVERT = "give a .caffemodel, or make one of it whose layers are called as in base.net"
_UNPACK = "unpack it"
_BESIDE = "give the .caffemodel beside it"

CAFFEMODEL = FileKind(
    "a caffemodel, the weights", "", "give it as base.weights, and as base.net the prototxt that goes with it"
)
NET = FileKind("a prototxt, the net itself", "give it as base.net, and its .caffemodel as base.weights")
SOLVER = FileKind("the prototxt of a solver", "give a .caffemodel")
TEXT = FileKind("text, not a binary .caffemodel", "give a .caffemodel")
_SOLVERSTATE = FileKind("a .solverstate, which holds no weights", _BESIDE)
_MEAN = FileKind("a mean image (.binaryproto)", "give it as data.mean, and a .caffemodel here")
_HDF5 = FileKind("an HDF5 file", "save the weights as .caffemodel (snapshot_format: BINARYPROTO)")
_WEB_PAGE = FileKind(
    "a web page, as a failed download leaves it", "fetch the file again", "fetch the file again"
)

_MAGIC: tuple[tuple[int, bytes, bytes, FileKind], ...] = (
    (0, b"\x89HDF\r\n\x1a\n", b"learned_net", FileKind("a .solverstate in HDF5", _BESIDE)),
    (0, b"\x89HDF\r\n\x1a\n", b"keras", FileKind("an HDF5 file of Keras", _CONVERT)),
    (0, b"\x89HDF\r\n\x1a\n", b"model_weights", FileKind("an HDF5 file of Keras", _CONVERT)),
    (0, b"\x89HDF\r\n\x1a\n", b"", _HDF5),
    (0, b"PK\x03\x04", b"data.pkl", FileKind("a file of PyTorch", _CONVERT)),
    (0, b"PK\x03\x04", b".npy", FileKind("NumPy's .npz", _CONVERT)),
    (0, b"PK\x03\x04", b"metadata.json", FileKind("a file of Keras", _CONVERT)),
    (0, b"PK\x03\x04", b"", FileKind("a zip archive", f"{_UNPACK}, if a .caffemodel is in it", _UNPACK)),
    (0, b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b"", FileKind("an old file of PyTorch", _CONVERT)),
    *(
        (0, bytes((0x80, protocol)), b"", FileKind("a Python pickle, as old PyTorch files are", _CONVERT))
        for protocol in range(2, 6)
    ),
    (0, b"\x1f\x8b", b"", FileKind("gzip-compressed", _UNPACK, _UNPACK)),
    (0, b"BZh", b"", FileKind("bzip2-compressed", _UNPACK, _UNPACK)),
    (0, b"\xfd7zXZ\x00", b"", FileKind("xz-compressed", _UNPACK, _UNPACK)),
    (0, b"\x28\xb5\x2f\xfd", b"", FileKind("zstd-compressed", _UNPACK, _UNPACK)),
    (0, b"7z\xbc\xaf\x27\x1c", b"", FileKind("a 7z archive", _UNPACK, _UNPACK)),
    (0, b"Rar!\x1a\x07", b"", FileKind("a RAR archive", _UNPACK, _UNPACK)),
    (257, b"ustar", b"", FileKind("a tar archive", _UNPACK, _UNPACK)),
    (0, b"\x93NUMPY", b"", FileKind("a NumPy array", _CONVERT)),
    (0, b"GGUF", b"", FileKind("a GGUF file", _CONVERT)),
    (4, b"TFL3", b"", FileKind("a file of TensorFlow Lite", _CONVERT)),
    (0, b"\x12\x01\0\0\0\0\0\0", b"", FileKind("a .params file of MXNet", _CONVERT)),
    (8, b'{"', b'"dtype"', FileKind("a safetensors file", _CONVERT)),
    (
        16,
        b"\xde\xc0\xef\xbe",
        b"",
        FileKind("an LMDB, the data", "give its folder as data.train or data.val, and a .caffemodel here"),
    ),
)
"""(where, bytes there, bytes anywhere after them, kind); the first that fits counts."""

_LFS = FileKind("a pointer of git LFS, not the file itself", "run `git lfs pull`", "run `git lfs pull`")
_TEXTS: tuple[tuple[str, FileKind], ...] = (
    (r"\s*version https://git-lfs", _LFS),
    (r"\s*<\?xml[^<]*<Error>", _WEB_PAGE),
    (r"\s*<(\?xml[^<]*<)?net\b", FileKind("OpenVINO's XML", _CONVERT)),
    (r"\s*<\?xml", FileKind("an XML file", "give a .caffemodel")),
    (r"\s*<", _WEB_PAGE),
    (r"\s*\{", FileKind("a JSON file, as Keras and MXNet write them", _CONVERT)),
    (r"\s*\[(net|convolutional)\]", FileKind("a .cfg of Darknet", _CONVERT)),
    (r"\s*7767517\b", FileKind("a .param of ncnn", _CONVERT)),
    (r"(?s).*\bcaffemodel_url:", FileKind("a readme of Caffe's model zoo", "fetch its caffemodel_url")),
    (r"(?s).*^\s*node\s*\{.*\bop:", FileKind("a graph of TensorFlow", _CONVERT)),
    (r"(?s).*^\s*layers?\s*:?\s*\{", NET),
    (r"(?s).*^\s*(base_lr|train_net|test_iter|snapshot_prefix)\s*:", SOLVER),
    (r"(?s).*^\s*(input|input_dim)\s*:", NET),
    (r"", TEXT),
)
"""(how the text begins, kind), as regular expressions with ^ for every line; the first that fits counts."""


def file_kind(head: bytes) -> FileKind | None:
    """Return what a file with these first bytes is; CAFFEMODEL where it may be one, None where unknown."""
    for at, magic, inside, kind in _MAGIC:
        if head[at : at + len(magic)] == magic and inside in head:
            return kind
    if all(byte in b"\t\n\r\f" or 32 <= byte < 127 or byte >= 128 for byte in head):
        with suppress(UnicodeDecodeError):
            text = head[: head.rfind(b"\n") if len(head) >= HEAD else None].decode()
            return next(kind for pattern, kind in _TEXTS if re.match(pattern, text, re.MULTILINE))
    with suppress(MalformedError):
        return _message_kind(list(first_fields(head)), head)
    return None


def _message_kind(found: list[Field], head: bytes) -> FileKind | None:
    """Tell apart messages that begin with the same fields: by those that follow, and what is in them."""
    types = {field.number: field.wire_type for field in reversed(found)}
    first = {field.number: head[field.start : field.end] for field in reversed(found)}
    if types.get(1) == VARINT:
        if types.get(2) == VARINT:
            return _MEAN
        if 7 in types or 8 in types:
            return FileKind("an ONNX model", _CONVERT)
        if set(types) <= set(SolverState.DESCRIPTOR.fields_by_number) and _is_text(first.get(2, b"a")):
            return _SOLVERSTATE
        return FileKind("a SavedModel of TensorFlow", _CONVERT) if types.get(2) == BYTES else None
    if found and found[0].number in (BlobProto.DATA_FIELD_NUMBER, BlobProto.DOUBLE_DATA_FIELD_NUMBER):
        return _MEAN
    if types.get(1) == BYTES and first[1][:1] == b"\x0a" and _is_node(first[1]):
        return FileKind("a frozen graph of TensorFlow (.pb)", _CONVERT)
    layers = (NetParameter.LAYER_FIELD_NUMBER, NetParameter.LAYERS_FIELD_NUMBER)
    return CAFFEMODEL if any(types.get(number) == BYTES for number in layers) else None


def _is_node(content: bytes) -> bool:
    """Whether a message is a node of TensorFlow: its name, then what it does, as `Conv2D`."""
    try:
        name, kind, *_ = first_fields(content)
    except (MalformedError, ValueError):
        return False
    texts = [content[field.start : field.end] for field in (name, kind)]
    return [name.number, kind.number] == [1, 2] and all(map(_is_text, texts))


def _is_text(content: bytes) -> bool:
    try:
        return content.decode().isprintable()
    except UnicodeDecodeError:
        return False
