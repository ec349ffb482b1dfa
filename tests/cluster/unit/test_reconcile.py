"""Laws of what the controller takes for news of a run."""

import pytest

from ftjob.cluster.controller.reconcile import unaccounted_ends
from ftjob.cluster.objects import Pod, read_fine_tune

OVER = Pod("over", "job", 1, phase="Failed")
RUNS = Pod("runs", "job", 2, phase="Running", running=True)


@pytest.mark.parametrize(
    ("attempts", "pods", "wanted"),
    [
        ([], [OVER, RUNS], {"over"}),
        ([{"attempt": 1, "pod": "over", "ended": "2026-11-22T01:00:00Z"}], [OVER, RUNS], set()),
        ([{"attempt": 2, "pod": "deleted"}], [RUNS], {"deleted"}),
        ([{"attempt": 2, "pod": "runs"}], [RUNS], set()),
    ],
)
def test_a_pod_ends_once_and_so_does_one_that_was_deleted(
    attempts: list[dict[str, object]], pods: list[Pod], wanted: set[str]
) -> None:
    """The run's folder is heard again for each end that the accounts do not have, seen or not."""
    job = read_fine_tune({"metadata": {"name": "faces"}, "status": {"attempts": attempts}})

    assert unaccounted_ends(job, pods) == wanted
