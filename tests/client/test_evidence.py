"""Laws of what is read of a training that failed."""

from pathlib import Path

import pytest

from ftjob.client import evidence as failure

LINE = "I1128 10:00:{:02}.000000  77 solver.cpp:218] Iteration {} (5 iter/s, 2s/10 iters), loss = {}\n"


@pytest.mark.parametrize(("codec", "letter_bytes"), [("utf-8", 1), ("utf-16", 2)])
def test_of_a_log_that_is_too_large_the_ends_are_read(tmp_path: Path, codec: str, letter_bytes: int) -> None:
    """Whole lines of both, in every codec of a log; what lies between costs no memory."""
    filler = "x" * (60_000 // letter_bytes) + "\n"
    log = tmp_path / "caffe.log"
    with log.open("w", encoding=codec) as file:
        file.writelines(LINE.format(number % 60, number, 1 / (1 + number)) + filler for number in range(1000))
    assert log.stat().st_size > failure.LOG_HEAD + failure.LOG_TAIL + 5 * 10**6

    points = failure.evidence_of_log(log).progress.train

    assert (points[0].iteration, points[-1].iteration) == (0, 999)
    assert 700 < len(points) < 900
    assert all(point.loss == pytest.approx(1 / (1 + point.iteration)) for point in points)
