"""Laws of a lineage: it goes back to the first weights, shows what is lost, and always ends."""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ftjob.errors import StorageError
from ftjob.models.alias import Alias
from ftjob.models.current import current_model
from ftjob.models.lineage import Lineage, lineage_of, lineage_of_model
from ftjob.models.promote import promote
from ftjob.storage import open_store
from tests.models.runs import FIRST_WEIGHTS, a_run, digest_of_weights


@pytest.fixture
def here(tmp_path: Path) -> str:
    return str(tmp_path / "runs")


def after(output: str, before: str, run_id: str, name: str = "emotions", **changes: str) -> str:
    """A run that began with the bundle of another."""
    weights = f"{before}/bundle/weights.caffemodel"
    return a_run(
        output, run_id, name, **{"weights": weights, "weights_digest": digest_of_weights(before), **changes}
    )


def seen(lineage: Lineage) -> list[tuple[str, str]]:
    return [(run.reference, run.problem) for run in lineage.runs]


def test_it_goes_back_to_weights_that_no_run_made(output: str) -> None:
    first = a_run(output, "aaaa", "nine")
    second = after(output, first, "bbbb", "thirty-six", weights_from="alias:faces@1")

    found = lineage_of(second)

    assert seen(found) == [("thirty-six/bbbb", ""), ("nine/aaaa", "")]
    assert found.first is not None
    assert (found.first.location, found.first.digest) == (FIRST_WEIGHTS, "b" * 64)
    newest = found.runs[0]
    assert newest.weights is not None
    assert newest.weights.alias == "alias:faces@1"
    assert newest.train is not None
    assert (newest.train.digest, newest.engine, newest.ftjob) == ("c" * 64, "caffe", "0.1.0")
    assert newest.image == "faces/worker@sha256:1"
    assert json.loads(json.dumps(found.to_json()))["weights"]["digest"] == "b" * 64


def test_the_lineage_of_an_alias_has_its_promotion(here: str) -> None:
    run = a_run(here, "aaaa")
    promote(run, "faces")

    found = lineage_of_model(current_model(Alias(here, "faces")))

    assert (found.alias, found.promotion and found.promotion.run_id) == ("faces", "aaaa")
    assert seen(found) == [("emotions/aaaa", "")]


def test_a_run_that_is_gone_is_shown_as_such(here: str) -> None:
    first = a_run(here, "aaaa")
    second = after(here, first, "bbbb")
    store = open_store(first)
    store.delete(entry.key for entry in store.list())

    found = lineage_of(second)

    assert seen(found) == [("emotions/bbbb", ""), ("emotions/aaaa", "its folder is gone")]
    assert found.first is None


def test_weights_that_were_made_anew_are_marked(here: str) -> None:
    """They are not what the later run began with."""
    second = after(here, a_run(here, "aaaa"), "bbbb", weights_digest="0" * 64)

    assert seen(lineage_of(second))[1] == ("emotions/aaaa", "has other weights now than were used")


def test_a_snapshot_is_known_by_its_record(here: str) -> None:
    """And missed where retention took it."""
    first = a_run(here, "aaaa")
    file = {"sha256": "5" * 64, "bytes": 7}
    record = {"iteration": 400, "files": {"iter_400.caffemodel": file}, "evaluation": None}
    second = a_run(here, "bbbb", weights=f"{first}/snapshots/iter_400.caffemodel", weights_digest="5" * 64)
    lost = ("emotions/aaaa", "no longer has the weights that were used")

    assert seen(lineage_of(second))[1] == lost
    open_store(first).write("snapshots/iter_400.json", json.dumps(record).encode())
    assert seen(lineage_of(second))[1] == ("emotions/aaaa", "")


def test_a_copy_of_a_bundle_names_its_run(here: str, tmp_path: Path) -> None:
    """As `ftjob get` leaves it: a folder called bundle, which is in no run's folder."""
    first = a_run(here, "aaaa", "nine")
    (tmp_path / "copies" / "mine").mkdir(parents=True)
    (Path(first) / "bundle").rename(tmp_path / "copies" / "mine" / "bundle")
    second = a_run(here, "bbbb", weights=f"{tmp_path}/copies/mine/bundle/weights.caffemodel")

    assert seen(lineage_of(second))[1] == ("nine/aaaa", "is known from a copy of its bundle")


def test_a_circular_lineage_ends(here: str) -> None:
    """No digests make one, but a plan.json can be edited."""
    first = a_run(here, "aaaa", weights=f"{here}/emotions/bbbb/bundle/weights.caffemodel")
    after(here, first, "bbbb")

    problems = [problem for _, problem in seen(lineage_of(first))]

    assert problems[-1] == "is its own ancestor: plan.json was edited"
    assert len(problems) == 3


def test_what_is_damaged_is_an_error_of_the_run_itself_and_a_problem_of_an_earlier(here: str) -> None:
    first = a_run(here, "aaaa")
    second = after(here, first, "bbbb")
    open_store(first).write("plan.json", b"{")

    with pytest.raises(StorageError, match=r"plan\.json: .*: fix or remove it"):
        lineage_of(first)
    [_, (_, problem)] = seen(lineage_of(second))
    assert "plan.json: is no JSON" in problem


def test_its_picture_has_every_run_and_dataset_once(here: str) -> None:
    """Arrows: weights and two datasets to the first run, that and the datasets to the second, that to the
    alias."""
    first = a_run(here, "aaaa", "nine")
    promote(after(here, first, "bbbb"), "faces")

    svg = ElementTree.fromstring(lineage_of_model(current_model(Alias(here, "faces"))).svg())

    texts = ["".join(each.itertext()) for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    for name in ("nine/aaaa", "emotions/bbbb", "bvlc_googlenet.caffemodel", "for training", "for validation"):
        assert texts.count(name) == 1
    groups = svg.findall("{http://www.w3.org/2000/svg}g")
    assert len(groups[0]) == 3 + 3 + 1
    assert len(groups[1].findall("{http://www.w3.org/2000/svg}rect")) == 6
