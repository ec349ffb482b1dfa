"""A folder with data, net and solver in it, and engines opened on it by name."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ftjob.engine import Engine
from ftjob.engine.open import AVAILABLE, open_engine
from tests.engine import nets

Open = Callable[..., Engine]
Job = Callable[..., Path]


@pytest.fixture
def job(tmp_path: Path) -> Job:
    """Write a job's files: job(net text, train=Records, val=Records, **solver fields) → its folder."""

    def write(
        net: str, train: nets.Records | None = None, val: nets.Records | None = None, **solver: object
    ) -> Path:
        (tmp_path / "train_val.prototxt").write_text(net)
        (tmp_path / "solver.prototxt").write_text(nets.solver(**solver))
        for name, content in (("train", train or nets.records(10)), ("val", val or nets.records(7, seed=1))):
            if not (tmp_path / name).exists():
                nets.write_lmdb(tmp_path / name, content)
        return tmp_path

    return write


@pytest.fixture(params=AVAILABLE)
def opened(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Open]:
    """Open a job's folder with the engine under test: opened(folder, weights=None) → Engine."""
    for library in ("OPENBLAS", "OMP"):  # the order of additions must not depend on the threads
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    with ExitStack() as stack:

        def open_it(folder: Path, weights: Path | None = None) -> Engine:
            engine = open_engine(
                request.param,
                solver=folder / "solver.prototxt",
                weights=weights,
                log=folder / "engine.log",
                cwd=folder,
            )
            return stack.enter_context(engine)

        yield open_it
