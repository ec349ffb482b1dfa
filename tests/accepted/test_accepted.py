"""For a spec that plan accepts on the machine where it runs, a run ends well.

Odd nets with odd data, planned and, where accepted, run for two iterations to their bundle with both engines,
and verified. `make accepted N=2000` draws more of them.
"""

from pathlib import Path

import pytest

from tests.accepted.blocks import smallest, try_block
from tests.accepted.case import write

pytestmark = [pytest.mark.caffe, pytest.mark.torch]

BLOCKS, SIZE = 3, 10
SHRINK_SECONDS = 60.0


@pytest.mark.parametrize("block", range(BLOCKS))
def test_what_is_accepted_ends_well(block: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with BadSpec, BadNet, BadData, a crash or an unforeseen error; and its bundle verifies."""
    for library in ("OMP", "OPENBLAS"):
        monkeypatch.setenv(f"{library}_NUM_THREADS", "1")

    tried = try_block(block, SIZE, tmp_path)

    assert len(tried) == SIZE
    assert any(ending.stage == "run" for trial in tried for ending in trial.endings)
    broken = [trial for trial in tried if trial.violations]
    if broken:
        small = smallest(broken[0], SIZE, tmp_path, SHRINK_SECONDS)
        folder = tmp_path / "broken"
        write(small.case, folder)
        ending = small.violations[0]
        pytest.fail(
            f"engine {ending.engine}, {ending.stage}, exit code {ending.code}: {ending.sentence}\n"
            f"{small.case.net}\n{small.case.spec}\nagain: python -m tests.accepted {folder}"
        )
