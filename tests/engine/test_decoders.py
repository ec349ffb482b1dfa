"""Processes that decode records: any number of them makes the same batches, and says how it ended."""

import os
import select
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Thread
from typing import cast

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from ftjob.engine.torch.feed.decoders import Begun, Decoders, DecoderThread, SharedBatches
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
TINY = ImageTransform(
    LayerParameter(name="data", type="Data", transform_param=TransformationParameter(crop_size=1)),
    (3, 1, 1),
    TRAIN,
)
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
    rows = 12_000
    decoders, keys = Decoders(records, TINY, rows, 1), [key(at % COUNT) for at in range(rows)]

    begun = [decoders.begin(keys, np.zeros((rows, 3))) for _ in range(3)]

    assert [batch()[1] for batch in begun] == [[at % COUNT for at in range(rows)]] * 3


def test_who_begins_is_not_left_waiting_for_what_another_thread_received(records: Path) -> None:
    """Even if that thread received all replies to the requests for which there was room."""
    rows = 12_000
    decoders, keys = Decoders(records, TINY, rows, 1), [key(at % COUNT) for at in range(rows)]
    [replies] = [cast("Connection", ready.fileobj) for ready in decoders._replies.get_map().values()]
    begun: list[Begun] = []
    other = Thread(target=lambda: begun.append(decoders.begin(keys, np.zeros((rows, 3)))), daemon=True)
    with decoders._receiving:
        other.start()
        while replies.poll(1.0):
            decoders._receive_from(replies)

    other.join(PATIENCE_SECONDS)

    assert [batch()[1] for batch in begun] == [[at % COUNT for at in range(rows)]]


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


OWNER = """
    import sys
    from pathlib import Path
    from tests.engine import test_decoders as tests

    if __name__ == "__main__":
        decoders = tests.Decoders(Path({records!r}), tests.TRANSFORM, tests.MOST_ROWS, 2)
        decoders.begin([tests.key(0)], tests.draws(0, 1))()
        print(*(process.pid for process in decoders.processes), flush=True)
        sys.stdin.read()
"""
LIMITED = """
    import resource
    from pathlib import Path
    from tests.engine import test_decoders as tests

    if __name__ == "__main__":
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, ({files}, most))
        try:
            decoders = tests.Decoders(Path({records!r}), tests.TRANSFORM, tests.MOST_ROWS, 2)
            print(decoders.begin([tests.key(3)], tests.draws(0, 1))()[1])
        except tests.EngineError as error:
            print(error)
"""


@pytest.fixture
def run(records: Path, tmp_path: Path) -> Iterator[Callable[..., "subprocess.Popen[str]"]]:
    """Start a program that has processes decode."""
    with ExitStack() as stack:

        def start(text: str, **fields: object) -> "subprocess.Popen[str]":
            program = tmp_path / "program.py"
            program.write_text(textwrap.dedent(text).format(records=str(records), **fields))
            environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
            command, pipe = [sys.executable, str(program)], subprocess.PIPE
            started = subprocess.Popen(
                command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=environment
            )
            stack.enter_context(started)
            stack.callback(started.kill)
            return started

        yield start


@pytest.mark.parametrize("killed", [True, False])
def test_they_end_with_the_process_that_started_them(
    run: Callable[..., "subprocess.Popen[str]"], killed: bool
) -> None:
    """When it is killed, and when it ends by itself."""
    process = run(OWNER)
    assert process.stdin
    assert process.stdout
    ends = [os.pidfd_open(int(word)) for word in process.stdout.readline().split()]
    if killed:
        process.kill()
    else:
        process.stdin.close()

    try:
        ended = [bool(select.select([each], [], [], PATIENCE_SECONDS)[0]) for each in ends]
        code = process.wait(PATIENCE_SECONDS)
    finally:
        for each in ends:
            os.close(each)

    assert ended == [True, True]
    assert code == (-signal.SIGKILL if killed else 0)


@pytest.mark.parametrize("files", [3, 6, 9, 13, 16])
def test_too_few_open_files_end_the_start_in_a_sentence(
    run: Callable[..., "subprocess.Popen[str]"], files: int
) -> None:
    """Wherever in the start there are no more of them."""
    output, errors = run(LIMITED, files=files).communicate(timeout=PATIENCE_SECONDS)

    assert output.startswith("the processes that decode records cannot be started") or output == "[3]\n", (
        errors
    )


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
