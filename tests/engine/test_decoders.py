"""Processes that decode records: any number of them makes the same batches, and says how it ended."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ftjob.engine.torch.feed.decoders import Decoders, DecoderThread, SharedBatches
from ftjob.engine.torch.feed.transform import ImageTransform
from ftjob.errors import BadDataError, EngineError
from ftjob.net.proto.caffe_pb2 import TRAIN, LayerParameter, TransformationParameter
from tests.dataset.images import encoded, photo, raw, write_lmdb

COUNT = 20
MOST_ROWS = 12
DAMAGED = (b"0005", b"0013")
PATIENCE_SECONDS = 60.0
LAYER = LayerParameter(
    name="data", type="Data", transform_param=TransformationParameter(crop_size=40, mirror=True)
)
TRANSFORM = ImageTransform(LAYER, (3, 40, 40), TRAIN)
Batch = tuple[NDArray[np.uint8], list[int]]


def key(number: int) -> bytes:
    return b"%04d" % number


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LMDB of JPEGs, PNGs and plain pixels."""
    makers: list[Callable[[int, NDArray[np.uint8]], bytes]] = [
        lambda label, pixels: encoded(label, pixels, ".jpg"),
        encoded,
        raw,
    ]
    made = [(key(at), makers[at % 3](at, photo(at, 44, 50))) for at in range(COUNT)]
    return write_lmdb(tmp_path_factory.mktemp("decoders") / "db", made)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An LMDB of plain pixels, two of whose records are no Datum."""
    made = [(key(at), raw(at, photo(at, 44, 50))) for at in range(COUNT)]
    made = [(name, b"\xff\xff" if name in DAMAGED else value) for name, value in made]
    return write_lmdb(tmp_path_factory.mktemp("damaged") / "db", made)


@pytest.fixture(scope="module", params=[1, 2, 3])
def decoders(request: pytest.FixtureRequest, records: Path) -> Decoders:
    return Decoders(records, TRANSFORM, MOST_ROWS, request.param)


def draws(seed: int, count: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).random((count, 3))


def copied(batch: Batch) -> tuple[list[int], list[int]]:
    return batch[0].ravel().tolist(), batch[1]


batches = st.lists(st.lists(st.integers(0, COUNT - 1), min_size=1, max_size=MOST_ROWS), max_size=6)
"""Numbers of records."""


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(batches, st.data())
def test_any_number_of_processes_makes_the_same(
    records: Path, decoders: Decoders, batches: list[list[int]], data: st.DataObject
) -> None:
    """In whatever order batches are waited for, and though some are never: each is as one thread makes it,
    and stays so while it is held."""
    here = DecoderThread(records, TRANSFORM)
    begun = [
        (keys := [key(number) for number in numbers], seed, decoders.begin(keys, draws(seed, len(keys))))
        for seed, numbers in enumerate(batches)
    ]
    order = data.draw(st.permutations(range(len(begun))))
    awaited = order[: data.draw(st.integers(0, len(order)))]

    made = {at: begun[at][2]() for at in awaited}

    for at in awaited:
        keys, seed, _ = begun[at]
        assert copied(made[at]) == copied(here.begin(keys, draws(seed, len(keys)))())


def test_more_shares_than_the_pipes_hold(records: Path) -> None:
    """Of batches so large that neither all requests nor all replies fit, nobody waits for the other."""
    tiny = ImageTransform(
        LayerParameter(name="data", type="Data", transform_param=TransformationParameter(crop_size=1)),
        (3, 1, 1),
        TRAIN,
    )
    rows = 12_000
    decoders, keys = Decoders(records, tiny, rows, 1), [key(at % COUNT) for at in range(rows)]

    begun = [decoders.begin(keys, np.zeros((rows, 3))) for _ in range(3)]

    assert [batch()[1] for batch in begun] == [[at % COUNT for at in range(rows)]] * 3


def test_the_first_damaged_record_is_named(damaged: Path) -> None:
    """As one thread names it, whichever process meets another first; the next batch is made."""
    keys = [key(at) for at in range(COUNT)]
    for maker in (DecoderThread(damaged, TRANSFORM), Decoders(damaged, TRANSFORM, COUNT, 2)):
        with pytest.raises(BadDataError, match=rf"{damaged}: record 0005: is not a Datum of Caffe"):
            maker.begin(keys, draws(0, COUNT))()

        assert maker.begin(keys[:4], draws(0, 4))()[1] == [0, 1, 2, 3]


def test_a_process_that_was_killed_ends_the_batch(records: Path) -> None:
    """Its signal is in the error, of this batch and of all that are begun later."""
    decoders = Decoders(records, TRANSFORM, MOST_ROWS, 2)
    decoders.begin([key(0)], draws(0, 1))()
    victim = decoders.processes[0]
    assert victim.pid
    os.kill(victim.pid, signal.SIGKILL)

    for _ in range(2):
        with pytest.raises(EngineError, match="a process that decodes records was ended by SIGKILL"):
            _make_for_ever(decoders)


def _make_for_ever(decoders: Decoders) -> None:
    while True:
        decoders.begin([key(1)] * MOST_ROWS, draws(0, MOST_ROWS))()


BEGUN = """
    from pathlib import Path
    from tests.engine import test_decoders as tests

    if __name__ == "__main__":
        decoders = tests.Decoders(Path({records!r}), tests.TRANSFORM, tests.MOST_ROWS, 2)
        decoders.begin([tests.key(0)], tests.draws(0, 1))()
        print(*(process.pid for process in decoders.processes), flush=True)
        {ending}
"""


@pytest.fixture
def owner(records: Path, tmp_path: Path) -> Iterator[Callable[[str], "subprocess.Popen[str]"]]:
    """Start a program that has processes decode, prints their ids, and then does what it is given."""
    started = []

    def start(ending: str) -> "subprocess.Popen[str]":
        program = tmp_path / "owner.py"
        program.write_text(textwrap.dedent(BEGUN).format(records=str(records), ending=ending))
        environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
        command = [sys.executable, str(program)]
        started.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()
        assert process.stdout
        process.stdout.close()


def is_at_work(process: psutil.Process) -> bool:
    """Whether it has not ended; somebody else may have to reap it."""
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@pytest.mark.parametrize(("ending", "code"), [("import time; time.sleep(600)", None), ("", 0)])
def test_they_end_with_the_process_that_started_them(
    owner: Callable[[str], "subprocess.Popen[str]"], ending: str, code: int | None
) -> None:
    """When it is killed, and when it ends by itself."""
    process = owner(ending)
    assert process.stdout
    decoders = [psutil.Process(int(word)) for word in process.stdout.readline().split()]
    assert len(decoders) == 2
    if code is None:
        process.kill()
        process.wait()
    else:
        assert process.wait(PATIENCE_SECONDS) == code

    limit = time.monotonic() + PATIENCE_SECONDS
    while any(map(is_at_work, decoders)):
        assert time.monotonic() < limit, "they are still there"
        time.sleep(0.05)


def test_memory_is_used_again_when_nobody_has_it() -> None:
    """A batch has a place of its own for as long as anything refers to a part of it."""
    memory = SharedBatches(os.memfd_create("test"), (np.uint8, (1, 2, 2)), 3)
    first, batch = memory.take(3)
    part = batch[1:2]
    del batch
    second, other = memory.take(2)
    part[:] = 7
    other[:] = 9

    assert first != second
    assert part.tolist() == [[[[7, 7], [7, 7]]]]
    del part
    assert memory.take(1)[0] == first
    del other
    assert memory.take(1)[0] == second
    os.close(memory.fd)
