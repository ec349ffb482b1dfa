"""Laws of the batches, with a net of the tests' own: it doubles what it is given."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray

from ftjob.errors import EngineError
from ftjob.serve.batching import OPENINGS, Batcher, BatchLimits
from ftjob.serve.meters import Meters

IMAGE = (1, 2, 2)


class Doubling:
    """Stands for a Classifier; dies when `dies` returns True for a batch."""

    model = SimpleNamespace(reader=SimpleNamespace(image=IMAGE))

    def __init__(self, dies: Callable[[], bool] = lambda: False) -> None:
        self.sizes: list[int] = []
        self.opened = 0
        self.go = threading.Event()
        self.go.set()
        self._dies = dies

    def probabilities(self, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the double of every image's first pixel."""
        self.go.wait(60)
        if inputs.any() and self._dies():
            raise EngineError("it died of a signal")
        self.sizes.append(len(inputs))
        return 2 * inputs[:, 0, 0, :1]

    @contextmanager
    def open(self) -> Iterator["Doubling"]:
        """Count the openings."""
        self.opened += 1
        yield self


def batcher_of(net: Doubling, batches: BatchLimits, on_failure: Callable[[], None] = lambda: None) -> Batcher:
    """Return a started Batcher."""
    batcher = Batcher(net.open, batches, Meters(), on_failure)  # type: ignore[arg-type]
    batcher.start()
    return batcher


def picture(value: float) -> NDArray[np.float32]:
    """Return an image of that value."""
    return np.full(IMAGE, value, np.float32)


def test_what_waits_becomes_a_batch() -> None:
    """Full ones while there is enough, and every caller gets its own row."""
    net = Doubling()
    batcher = batcher_of(net, BatchLimits(4, 0.001))
    net.go.clear()
    waiting = [batcher.submit(picture(value)) for value in range(1, 12)]
    net.go.set()
    assert [future.result(60)[0] for future in waiting] == [2.0 * value for value in range(1, 12)]
    batcher.close()
    assert net.sizes[0] == 1  # the net is warmed up with a picture
    assert sum(net.sizes[1:]) == 11
    assert max(net.sizes) == 4
    assert len(net.sizes) <= 5


def test_a_batch_waits_for_others_until_it_is_full() -> None:
    """Not for its whole delay."""
    net = Doubling()
    batcher = batcher_of(net, BatchLimits(2, 3600))
    first, second = batcher.submit(picture(1)), batcher.submit(picture(2))
    assert (first.result(60)[0], second.result(60)[0]) == (2.0, 4.0)
    lonely = batcher.submit(picture(3))
    batcher.close()  # at the end nothing waits
    assert lonely.result(60)[0] == 6.0


def test_an_engine_that_dies_is_started_again_with_the_same_pictures() -> None:
    """Their callers see nothing of it."""
    deaths = iter([True, True, False, False])
    net = Doubling(lambda: next(deaths))
    batcher = batcher_of(net, BatchLimits(8, 0))
    assert batcher.submit(picture(1)).result(60)[0] == 2.0
    assert net.opened == 3
    batcher.close()


def test_an_engine_that_dies_again_and_again_ends_the_server() -> None:
    """Everybody who waits gets its sentence, and so does the server's end."""
    net, ended = Doubling(lambda: True), threading.Event()
    batcher = batcher_of(net, BatchLimits(1, 0), ended.set)
    net.go.clear()
    waiting = [batcher.submit(picture(1)) for _ in range(3)]
    net.go.set()
    for future in waiting:
        with pytest.raises(EngineError, match="it died of a signal"):
            future.result(60)
    assert ended.wait(60)
    assert net.opened == OPENINGS
    with pytest.raises(EngineError, match="it died"):
        batcher.submit(picture(1)).result(60)
    with pytest.raises(EngineError, match="it died"):
        batcher.close()


def test_an_engine_that_cannot_be_opened_is_an_error_at_once() -> None:
    """Before anybody is served."""

    def missing() -> Iterator[Doubling]:
        raise EngineError("Caffe is not installed")

    batcher = Batcher(contextmanager(missing), BatchLimits(), Meters(), lambda: None)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="not installed"):
        batcher.start()
