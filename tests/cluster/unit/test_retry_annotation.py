"""docs/kubernetes.md on `ftjob.dev/retry` is what the controller does with it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from ftjob.cluster.policy.actions import CreateJob, WriteStatus
from ftjob.cluster.policy.decide import decide
from ftjob.cluster.resource.status import FineTuneStatus
from tests.cluster.unit.builders import NOW, begun, fine_tune, life, seen

PAGE = (Path(__file__).parents[3] / "docs" / "kubernetes.md").read_text(encoding="utf-8")


@pytest.fixture
def example() -> tuple[int, dict[str, str], int]:
    """The documented example: the last attempt, the annotations, and the attempt that then begins."""
    found = re.search(r"after attempt (\d+)\s+```yaml\n([^`]+)```\s+begins attempt (\d+)", PAGE)
    assert found, "docs/kubernetes.md shows no annotation that retries a run"
    return int(found[1]), yaml.safe_load(found[2])["metadata"]["annotations"], int(found[3])


@pytest.fixture
def attempts_begun(example: tuple[int, dict[str, str], int]):
    """Which attempts the controller begins for a run that failed for good after `last` attempts."""

    def after(last: int) -> list[int]:
        lives = [life(number, 60, reason="Diverged", exitCode=7) for number in range(1, last + 1)]
        status = begun(state="Failed", reason="Diverged", attempt=last, attempts=lives)
        job = fine_tune(status=status, annotations=example[1], budget={"usd": 100.0})
        return [action.terms.attempt for action in decide(seen(job), NOW) if isinstance(action, CreateJob)]

    return after


def test_no_annotation_begins_an_attempt_of_a_sweeps_member() -> None:
    """Its sweep has granted to others what it left."""
    status = begun(state="Failed", reason="Diverged", attempts=[life(1, 60, reason="Diverged", exitCode=7)])
    asked: dict[str, Any] = {"status": status, "annotations": {"ftjob.dev/retry": "1"}}
    alone, member = fine_tune(**asked), fine_tune(labels={"ftjob.dev/sweep": "rates"}, **asked)

    assert any(isinstance(action, CreateJob) for action in decide(seen(alone), NOW))
    assert not any(isinstance(action, CreateJob) for action in decide(seen(member), NOW))


def test_the_status_names_the_retry_that_was_seen() -> None:
    """Also of one that nothing pays for; and until the annotation goes, without further writes."""
    status = begun(state="Stopped", reason="BudgetReached", attempts=[life(1, reason="BudgetReached")])
    asked: dict[str, Any] = {"annotations": {"ftjob.dev/retry": "1"}, "budget": {"usd": 0.9}}

    def written(status: dict[str, Any], **changes: Any) -> list[FineTuneStatus]:
        doing = decide(seen(fine_tune(status=status, **changes)), NOW)
        return [action.status for action in doing if isinstance(action, WriteStatus)]

    [refused] = written(status, **asked)
    assert (refused.state, refused.observed_retry) == ("Stopped", 1)
    assert written(refused.to_json(), **asked) == []
    [cleared] = written(refused.to_json(), budget=asked["budget"])
    assert cleared.observed_retry is None


def test_the_documented_annotation_begins_the_documented_attempt(example, attempts_begun) -> None:
    """After the attempt that the page names."""
    last, _, following = example

    assert attempts_begun(last) == [following]


def test_the_documented_annotation_begins_no_other_attempt(example, attempts_begun) -> None:
    """Neither one attempt earlier, where another number would be due, nor once the attempt has failed."""
    last, _, following = example

    assert [attempts_begun(last - 1), attempts_begun(following)] == [[], []]
