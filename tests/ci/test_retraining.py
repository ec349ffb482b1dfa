"""A model is kept current by builds on one machine: real ftjob, real Caffe, handwritten digits."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.digits.images import write_digits
from tests.ci.repository import BETTER, FEW, FROM_THE_FIRST, MANY, OTHERS, Repository, exchange_labels
from tests.forked.client import quick

pytestmark = [pytest.mark.slow, pytest.mark.caffe, pytest.mark.torch]


@pytest.fixture(autouse=True)
def forked() -> Iterator[None]:
    """ftjob and its workers by fork."""
    with quick("ftjob"):
        yield


def test_a_model_is_kept_current(tmp_path: Path) -> None:
    """Two first builds at once are one run and one promotion; unchanged, nothing begins; changed data trains
    on from the promoted model; a worse model is a red build, and the alias stays."""
    repository = Repository(tmp_path)
    repository.write()
    write_digits(tmp_path / "train", range(10), FEW)
    write_digits(tmp_path / "val", range(10), OTHERS)
    begun = {name: repository.begin(name) for name in ("one", "other")}
    at_once = [repository.finished(build, name) for name, build in begun.items()]
    first = at_once[0].outputs["run"]

    assert [(each.code, each.outputs["promoted"]) for each in at_once] == [(0, "true")] * 2, at_once
    assert {each.outputs["run"] for each in at_once} == {first}
    assert repository.promoted() == [first]

    again = repository.build()
    assert (again.code, again.outputs["run"], again.submitted["started"]) == (0, first, False), again.log
    assert repository.promoted() == [first]

    write_digits(tmp_path / "train", range(10), MANY)
    repository.write(base=FROM_THE_FIRST, accept=BETTER)
    better = repository.build()
    second = better.outputs["run"]
    assert (better.code, better.outputs["promoted"]) == (0, "true"), better.log
    assert f"is **better than** `{first}`" in better.comment
    runs = repository.ftjob("lineage", second)["runs"]
    assert [f"{each['name']}/{each['run_id']}" for each in runs] == [second, first]

    exchange_labels(tmp_path / "train")
    worse = repository.build()
    assert (worse.code, worse.outputs["promoted"]) == (11, "false"), worse.log
    assert f"worse than {second}" in worse.comment
    assert repository.promoted() == [first, second]
