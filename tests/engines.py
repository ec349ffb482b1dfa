"""Every engine, for tests that hold for each: a parameter with the marker of what it needs."""

from collections.abc import Iterator

import pytest

from ftjob.engine.open import AVAILABLE
from tests.forked.client import quick
from tests.tiers import needs_of

ENGINES = tuple(pytest.param(name, marks=getattr(pytest.mark, name)) for name in AVAILABLE)


@pytest.fixture
def forked_torch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """PyTorch's processes by fork, for laws of what they compute, on one thread: the order of additions must
    not depend on the number. Tests of the processes themselves start them as ftjob does, and where a test's
    engine is another there are none."""
    for library in ("OPENBLAS", "OMP"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")
    if "torch" not in needs_of(request.node):
        yield
        return
    with quick("torch"):
        yield
