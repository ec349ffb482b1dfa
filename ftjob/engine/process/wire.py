"""The protocol on the pipes between an engine and its parent.

A frame is the length of its header (4 bytes, little-endian), the header (a JSON object in UTF-8) and then the
bytes of its arrays, C-contiguous, in the order in which the header's "arrays" lists [name, dtype, shape].
A request's header has "command" and that command's arguments; a reply's has the result, or "error" and
"message". Each request gets one reply, before which there may be others with "done" false: the rows of
`steps`, or as a sign of life the "share" that is done. `halt` gets none: it ends `steps`, `test` and
`restore` early. The end of a pipe means that the other side is gone.
"""

from __future__ import annotations

import json
import struct
from io import RawIOBase
from typing import Any, BinaryIO, Dict, Mapping, Tuple

import numpy as np

Arrays = Dict[str, Any]
Frame = Tuple[Dict[str, Any], Arrays]


def send(stream: BinaryIO, header: Mapping[str, Any], arrays: Mapping[str, Any]) -> None:
    """Write one frame and flush it."""
    flat = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    listed = [[name, array.dtype.str, array.shape] for name, array in flat.items()]
    text = json.dumps({**header, "arrays": listed}).encode()
    stream.write(struct.pack("<I", len(text)) + text)
    for array in flat.values():
        stream.write(_bytes_of(array))
    stream.flush()


def receive(stream: RawIOBase) -> Frame:
    """Read one frame. Raises EOFError where the other side is gone."""
    (length,) = struct.unpack("<I", _exactly(stream, 4))
    header = json.loads(_exactly(stream, length).decode())
    arrays = {name: _array(stream, dtype, shape) for name, dtype, shape in header.pop("arrays")}
    return header, arrays


def _array(stream: RawIOBase, dtype: str, shape: list[int]) -> Any:
    array = np.empty(shape, dtype)
    _fill(stream, _bytes_of(array))
    return array


def _bytes_of(array: Any) -> Any:
    """Return a flat view of a contiguous array's memory."""
    return array.reshape(-1).view(np.uint8).data


def _exactly(stream: RawIOBase, count: int) -> bytes:
    data = bytearray(count)
    _fill(stream, memoryview(data))
    return bytes(data)


def _fill(stream: RawIOBase, view: memoryview) -> None:
    """Read until the view is full: a stream without a buffer gives what is there."""
    while len(view):
        count = stream.readinto(view)
        if not count:
            raise EOFError("the other side closed the pipe")
        view = view[count:]
