"""A folder with data, net and solver in it, and engines opened on it by name."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from ftjob.engine import Engine
from ftjob.engine.open import open_engine
from tests.engine import nets
from tests.engine.fake_engine import open_fake
from tests.engines import ENGINES

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


@pytest.fixture
def opened_by_name(forked_torch: None) -> Iterator[Callable[[str], Open]]:
    """Open a job's folder with an engine: opened_by_name("caffe")(folder, weights=None) → Engine."""
    with ExitStack() as stack:

        def open_it(name: str, folder: Path, weights: Path | None = None) -> Engine:
            if name == "fake":
                return stack.enter_context(open_fake(folder))
            engine = open_engine(
                name,
                solver=folder / "solver.prototxt",
                weights=weights,
                log=folder / "engine.log",
                cwd=folder,
            )
            return stack.enter_context(engine)

        yield lambda name: partial(open_it, name)


@pytest.fixture(params=ENGINES)
def opened(request: pytest.FixtureRequest, opened_by_name: Callable[[str], Open]) -> Open:
    """Open a job's folder with the engine under test: opened(folder, weights=None) → Engine."""
    return opened_by_name(request.param)


@pytest.fixture(params=[*ENGINES, "fake"])
def opened_any(request: pytest.FixtureRequest, opened_by_name: Callable[[str], Open]) -> Open:
    """`opened`, and the fake engine too: for laws that are not a net's arithmetic."""
    return opened_by_name(request.param)
