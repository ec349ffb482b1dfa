"""TensorBoard's events as bytes, by the fields that we write of tensorflow/core/util/event.proto,
tensorflow/core/framework/summary.proto and tensorboard/plugins/hparams/{plugin_data,api}.proto.

The libraries that write them import PyTorch or TensorFlow where they find it, which takes a worker seconds.
"""

import struct
from collections.abc import Iterable, Mapping

from ftjob.protowire import double_field, float_field, message_field, number_field
from ftjob.storage.checksum import crc32c

Setting = bool | float | str
VERSION = b"brain.Event:2"
START = 1
"""SessionLog.START: what is there from this step on counts no more."""
RGBA = 4
TEXT, TRUTH, FLOAT64 = 1, 2, 3
"""DataType."""
SUCCESS = 1
"""Status."""
MOST = 3.4028234663852886e38
"""Of a float32."""
MASK = 0xA282EAD8
"""Of checksums in record files."""


def record(event: bytes) -> bytes:
    """Return an event as record files have it: its length with a checksum, and itself with one."""
    length = struct.pack("<Q", len(event))
    return b"".join((length, _masked(length), event, _masked(event)))


def _masked(data: bytes) -> bytes:
    crc = crc32c(data)
    rotated = crc >> 15 | crc << 17
    return struct.pack("<I", rotated + MASK & 0xFFFFFFFF)


def first_event(moment: float) -> bytes:
    """Return the event that every file begins with."""
    return double_field(1, moment) + message_field(3, VERSION)


def restart(moment: float, step: int) -> bytes:
    """Return the event of a run that begins again at a step."""
    return double_field(1, moment) + number_field(2, step) + message_field(7, number_field(1, START))


def scalars(moment: float, step: int, values: Mapping[str, float]) -> bytes:
    """Return the event of some numbers, each as a float32."""
    return _summary(
        moment,
        step,
        (
            message_field(1, tag.encode()) + float_field(2, max(-MOST, min(value, MOST)))
            for tag, value in values.items()
        ),
    )


def image(moment: float, step: int, tag: str, png: bytes) -> bytes:
    """Return the event of a picture."""
    width, height = struct.unpack(">II", png[16:24])  # IHDR is a PNG's first chunk
    size = number_field(1, height) + number_field(2, width) + number_field(3, RGBA)
    return _summary(
        moment, step, (message_field(1, tag.encode()) + message_field(4, size, message_field(4, png)),)
    )


def settings(moment: float, values: Mapping[str, Setting], metric: str) -> list[bytes]:
    """Return the events by which TensorBoard compares runs: by settings, and by the metric they lead to."""
    infos = (
        message_field(4, message_field(1, name.encode()), number_field(4, _kind(value)))
        for name, value in values.items()
    )
    measured = message_field(5, message_field(1, message_field(2, metric.encode())))
    begun = (
        message_field(1, message_field(1, name.encode()), message_field(2, _value(value)))
        for name, value in values.items()
    )
    return [
        _hparams(moment, "experiment", message_field(2, *infos, measured)),
        _hparams(moment, "session_start_info", message_field(3, *begun, double_field(5, moment))),
    ]


def success(moment: float) -> bytes:
    """Return the event of a run that came to a result."""
    ended = message_field(4, number_field(1, SUCCESS), double_field(2, moment))
    return _hparams(moment, "session_end_info", ended)


def _hparams(moment: float, tag: str, content: bytes) -> bytes:
    plugin = message_field(1, message_field(1, b"hparams"), message_field(2, content))
    return _summary(moment, 0, (message_field(1, f"_hparams_/{tag}".encode()) + message_field(9, plugin),))


def _kind(value: Setting) -> int:
    return TRUTH if isinstance(value, bool) else TEXT if isinstance(value, str) else FLOAT64


def _value(value: Setting) -> bytes:
    """Return a google.protobuf.Value."""
    if isinstance(value, bool):
        return number_field(4, int(value))
    return message_field(3, value.encode()) if isinstance(value, str) else double_field(2, value)


def _summary(moment: float, step: int, values: Iterable[bytes]) -> bytes:
    summary = message_field(5, *(message_field(1, value) for value in values))
    return double_field(1, moment) + number_field(2, step) + summary
