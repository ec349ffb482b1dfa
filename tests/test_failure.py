"""Laws of what is read of a training that failed."""

from pathlib import Path

import pytest

from ftjob import failure
from ftjob.caffelog.progress import Point

LINE = "I1128 10:00:{:02}.000000  77 solver.cpp:218] Iteration {} (5 iter/s, 2s/10 iters), loss = {}\n"


@pytest.mark.parametrize("codec", ["utf-8", "utf-16"])
def test_of_a_log_that_is_too_large_the_ends_are_read(
    tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whole lines of both, in every codec of a log; what lies between costs no memory."""
    lines = [LINE.format(number % 60, number * 10, 1 / (1 + number)) for number in range(1000)]
    log = tmp_path / "caffe.log"
    log.write_bytes("".join(lines).encode(codec))
    whole = failure.evidence_of_log(log).progress.train
    monkeypatch.setattr(failure, "LOG_HEAD", 9_001)
    monkeypatch.setattr(failure, "LOG_TAIL", 20_001)

    ends = failure.evidence_of_log(log).progress.train

    assert (ends[0], ends[-1]) == (whole[0], whole[-1])
    assert 50 < len(ends) < len(whole) == 1000
    assert {point.iteration for point in ends} <= {point.iteration for point in whole}
    assert all(isinstance(point, Point) and point in whole for point in ends)
