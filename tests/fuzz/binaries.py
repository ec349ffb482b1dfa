"""Mutations of what Caffe and image libraries write: protobuf messages, LMDBs, headers of images."""

import tempfile
from pathlib import Path
from random import Random
from typing import Any

import lmdb
from google.protobuf.message import DecodeError, Message

from ftjob.net.proto.caffe_pb2 import BlobProto, Datum, NetParameter
from tests.fuzz import documents, odd
from tests.fuzz.documents import BINARY, Mutation

INT32 = 2**31 - 1
WHOLE = (0, -1, 1, 3, 255, 4096, 65536, INT32, -(2**31))


def net_fields(data: bytes, rng: Random) -> bytes:
    """Change a field of a NetParameter, as a caffemodel is one."""
    return _fields(NetParameter(), data, rng)


def blob_fields(data: bytes, rng: Random) -> bytes:
    """Change a field of a BlobProto, as a mean image is one."""
    return _fields(BlobProto(), data, rng)


def records(data: bytes, rng: Random) -> bytes:
    """Change a record of an LMDB: its Datum, its bytes or its key, or have it twice or not at all."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "data.mdb").write_bytes(data)
        try:
            with lmdb.open(name, map_size=2**26) as environment, environment.begin(write=True) as transaction:
                found = [(bytes(key), bytes(value)) for key, value in transaction.cursor()]
                for key, value in rng.sample(found, min(len(found), rng.choice((1, 1, len(found))))):
                    transaction.delete(key)
                    if rng.random() < 0.15:
                        key = odd.string(rng).encode(errors="surrogatepass")[:500] or b"\0"
                    if rng.random() < 0.9:
                        transaction.put(key, _record(value, rng))
        except lmdb.Error:
            return data
        return (Path(name) / "data.mdb").read_bytes()


def pages(data: bytes, rng: Random) -> bytes:
    """Change a field of a page of an LMDB: its number, flags, bounds, or the places of its records."""
    made = bytearray(data)
    page = rng.randrange(max(1, len(data) // 4096)) * 4096
    at, width = page + rng.choice((*range(0, 16, 2), *range(16, 64, 2))), rng.choice((2, 4, 8))
    made[at : at + width] = rng.choice((0, 1, 2**15, 2**16 - 1)).to_bytes(width, "little")
    return bytes(made[: len(data)])


def dimensions(data: bytes, rng: Random) -> bytes:
    """Change the size that an image claims, or one of the fields around that."""
    begin = {b"\x89P": 16, b"BM": 18}.get(data[:2], max(data.find(b"\xff\xc0") + 5, 0))
    at = begin + rng.choice((0, 2, 4, 6, 8, 10))
    return (
        data[:at] + rng.choice(WHOLE).to_bytes(4, rng.choice(("big", "little")), signed=True) + data[at + 4 :]
    )


def _record(value: bytes, rng: Random) -> bytes:
    if rng.random() < 0.3:
        return rng.choice(documents.BINARY[:5])(value, rng)
    datum = Datum()
    try:
        datum.ParseFromString(value)
    except DecodeError:  # changed before
        return value
    for _ in range(rng.choice((1, 1, 2))):
        name = rng.choice(("channels", "height", "width", "label", "label", "encoded", "data", "float_data"))
        if name == "data":
            datum.data = rng.choice(documents.BINARY[:5])(datum.data, rng)
        elif name == "float_data":
            datum.float_data.extend([rng.choice((0.0, 1e38, float("nan")))] * rng.choice((1, 768)))
        elif name == "encoded":
            datum.encoded = not datum.encoded
        else:
            setattr(datum, name, rng.choice(WHOLE))
    return datum.SerializeToString()


def _fields(message: Message, data: bytes, rng: Random) -> bytes:
    try:
        message.ParseFromString(data)
    except DecodeError:
        return data
    for _ in range(rng.choice((1, 1, 3))):
        _change(message, rng)
    return message.SerializeToString()


def _change(message: Message, rng: Random) -> None:
    """Change a field of a message, or of one in it."""
    fields = message.ListFields()
    if not fields:
        return
    field, value = rng.choice(fields)
    name, many = field.name, field.is_repeated
    if many and rng.random() < 0.3:
        if rng.random() < 0.5:
            del value[rng.randrange(len(value))]
        else:
            value.extend([value[-1]] * rng.choice((1, 100)))
    elif field.type == field.TYPE_MESSAGE:
        if rng.random() < 0.1:
            message.ClearField(name)
        else:
            _change(rng.choice(value) if many else value, rng)
    else:
        new = _scalar(field, rng)
        if many:
            value[rng.randrange(len(value))] = new
        else:
            setattr(message, name, new)


def _scalar(field: Any, rng: Random) -> Any:
    """Return an odd value of a field's type."""
    match field.cpp_type:
        case field.CPPTYPE_STRING:
            text = odd.string(rng).encode("utf-8", "ignore")
            return text if field.type == field.TYPE_BYTES else text.decode()
        case field.CPPTYPE_FLOAT | field.CPPTYPE_DOUBLE:
            return rng.choice((0.0, -1.0, 1e38, float("nan"), float("inf")))
        case field.CPPTYPE_INT64:
            return rng.choice((0, -1, 3, 2**31, 2**40, 2**62, 2**63 - 1, -(2**63)))
        case field.CPPTYPE_BOOL:
            return rng.random() < 0.5
        case field.CPPTYPE_ENUM:
            return rng.choice(field.enum_type.values).number
        case field.CPPTYPE_UINT32:
            return rng.choice((0, 1, 3, 2**31, 2**32 - 1))
    return rng.choice(WHOLE)


CAFFEMODEL: tuple[Mutation, ...] = (*BINARY, *(net_fields,) * 6)
BINARYPROTO: tuple[Mutation, ...] = (*BINARY, *(blob_fields,) * 6)
LMDB: tuple[Mutation, ...] = (*BINARY, *(pages,) * 3, *(records,) * 8)
IMAGE: tuple[Mutation, ...] = (*BINARY, *(dimensions,) * 6)
