"""Batches for a GPU are pinned while it is at the ones before. There is none: its calls are replaced."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, current_thread, main_thread
from typing import TYPE_CHECKING

import pytest

from ftjob.engine.phase_nets import shapes_of
from ftjob.errors import BadDataError
from ftjob.net.proto.caffe_pb2 import TRAIN
from ftjob.net.prototxt import parse_net
from tests.dataset.images import photo, raw, write_lmdb

if TYPE_CHECKING:
    from ftjob.engine.torch.process.data import Records

pytestmark = pytest.mark.torch

COUNT = 6
PATIENCE_SECONDS = 60.0
NET = """
    layer {{ name: "data" type: "Data" top: "data" top: "label" transform_param {{ mirror: true }}
      data_param {{ source: "{source}" batch_size: 4 backend: LMDB }} }}
"""
Open = Callable[[str], "Records"]


@pytest.fixture
def records(tmp_path: Path) -> Open:
    """Open records for a device: the last of six is no Datum."""
    values = [raw(at, photo(at, 20, 30)) for at in range(COUNT - 1)] + [b"\xff\xff"]
    source = write_lmdb(tmp_path / "db", [(b"%04d" % at, value) for at, value in enumerate(values)])
    (layer,) = shapes_of(parse_net(NET.format(source=source), "net")).layers

    def opened(device: str) -> "Records":
        import torch

        from ftjob.engine.torch.process.data import Records
        from ftjob.engine.torch.process.layers.making import NetContext, layer_context

        return Records(layer, layer_context(layer.layer, NetContext(TRAIN, torch.device(device), 1), 0))

    return opened


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what needs a GPU; the calls there were, each with whether this thread made it."""
    import torch

    calls: list[str] = []

    def note(call: str) -> None:
        calls.append(f"{call} {'here' if current_thread() is main_thread() else 'elsewhere'}")

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        note("pin")
        return tensor.clone()

    monkeypatch.setattr(torch.cuda, "set_device", lambda device: note(f"set {device}"))
    monkeypatch.setattr(torch.Tensor, "pin_memory", pin)
    return calls


def test_another_thread_pins_what_is_begun_for_a_gpu(records: Open, pinned: list[str]) -> None:
    """Pixels and labels, on the GPU of the run, while nobody waits for them; the batch is the same."""
    here, there = records("cpu"), records("cuda:1")
    batch = there.begin(there.rows(0))
    begun_later = Event()
    there._pinning.of(lambda: None, lambda _: begun_later.set())
    assert begun_later.wait(PATIENCE_SECONDS)
    assert pinned == ["set cuda:1 elsewhere", "pin elsewhere", "pin elsewhere"]

    expected, made = here.begin(here.rows(0))(), batch()

    assert made.images.equal(expected.images)
    assert made.labels.equal(expected.labels)
    assert len(pinned) == 3


def test_what_cannot_be_decoded_ends_the_batch_it_is_in(records: Open, pinned: list[str]) -> None:
    """Whoever waits for it gets the error, and the batches before and after it are made."""
    there = records("cuda")
    batches = [there.begin(there.rows(0), which) for which in ([0, 1], None, [2, 3])]
    damaged = there.begin(there.rows(1))

    assert [len(batch().labels) for batch in batches] == [2, 4, 2]
    with pytest.raises(BadDataError, match="record 0005: is not a Datum"):
        damaged()
    assert len(there.begin(there.rows(0))().labels) == 4
    assert pinned
