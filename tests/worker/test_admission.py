"""What a worker writes into a run's folder before it works there, and where it refuses to."""

import json
from pathlib import Path

import pytest

from ftjob.errors import BadSpecError, FtjobError, StorageError
from ftjob.runfolder.status import State, Status, render
from ftjob.storage import open_store
from ftjob.worker import attempt as worker
from ftjob.worker.admission import Arrival, Standing, arrival_of, own, settle, standing_of, this_user
from ftjob.worker.owner import JobOwner, UserOwner
from ftjob.worker.pod.context import PodContext
from jobspec import Accept, Budget, JobSpec, dump_spec, load_spec, parse_spec

SPEC = parse_spec(
    """
name: faces
base: {net: lenet, weights: s3://weights/lenet.caffemodel}
data: {train: s3://data/train, val: s3://data/val}
accept: {accuracy: 0.8}
output: s3://runs
""",
    "spec.yaml",
)
MINE = JobOwner(cluster="east", namespace="vision", name="faces", uid="1")


def changed(**sections: object) -> JobSpec:
    return SPEC.model_copy(update=sections)


def come(folder: Path, spec: JobSpec | None = SPEC, owner: JobOwner | UserOwner = MINE) -> None:
    settle(open_store(str(folder)), Arrival(1, owner, spec))


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file with its bytes and its inode, which a file written again has not."""
    return {
        str(path): (path.read_bytes(), path.stat().st_ino) for path in folder.rglob("*") if path.is_file()
    }


def test_a_worker_brings_owner_and_spec_and_doing_it_again_changes_nothing(tmp_path: Path) -> None:
    """Every attempt does it."""
    come(tmp_path)
    before = contents(tmp_path)
    come(tmp_path)

    assert load_spec(tmp_path / "spec.yaml") == SPEC
    assert contents(tmp_path) == before


def test_what_may_change_is_taken_over_and_the_rest_is_kept(tmp_path: Path) -> None:
    """A budget is, another output is not; a floor that names a run keeps the one that was found for it."""
    come(tmp_path)
    come(tmp_path, changed(budget=Budget(usd=3.0), output="s3://elsewhere", accept=Accept(not_below="run:a")))
    written = load_spec(tmp_path / "spec.yaml")

    assert (written.budget.usd, written.output, written.accept) == (3.0, "s3://runs", Accept(accuracy=0.8))


def test_a_stage_takes_over_its_guards_and_its_share(tmp_path: Path) -> None:
    """And nothing else: its data lies where it was when the run began."""

    def staged(data: str, share: str, patience: int) -> JobSpec:
        second = {"data": {"train": data}, "budget": share, "guards": {"patience": patience}}
        text = dump_spec(changed(budget=Budget(usd=3.0)))
        return parse_spec(f"{text}stages: {json.dumps([{}, second])}", "spec.yaml")

    come(tmp_path, staged("s3://data/many", "40%", 2))
    come(tmp_path, staged("s3://copy/many", "60%", 3))

    assert load_spec(tmp_path / "spec.yaml") == staged("s3://data/many", "60%", 3)


@pytest.mark.parametrize("field", ["base.weights", "accept.not_below"])
def test_a_reference_that_nobody_resolved_is_refused(tmp_path: Path, field: str) -> None:
    """A floor that is passed over would let anything pass."""
    weights = SPEC.base.model_copy(update={"weights": "run:cats"})
    spec = changed(base=weights) if field == "base.weights" else changed(accept=Accept(not_below="run:cats"))

    with pytest.raises(BadSpecError, match=f"{field}: run:cats is known only where it was submitted"):
        come(tmp_path, spec)


def test_a_spec_that_the_submitter_wrote_stays(tmp_path: Path) -> None:
    """A run without a cluster has its spec in its folder."""
    (tmp_path / "spec.yaml").write_text(dump_spec(SPEC))
    before = contents(tmp_path)
    come(tmp_path, None, this_user())

    assert contents(tmp_path).items() >= before.items()


@pytest.mark.parametrize(
    "found", [UserOwner(user="somebody"), MINE.model_copy(update={"namespace": "speech"})]
)
def test_nothing_changes_in_anothers_folder(tmp_path: Path, found: JobOwner | UserOwner) -> None:
    """Not even what may change during a run."""
    come(tmp_path, owner=found)
    before = contents(tmp_path)
    with pytest.raises(BadSpecError):
        come(tmp_path, changed(budget=Budget(usd=0.0001)))
    with pytest.raises(BadSpecError):
        own(open_store(str(tmp_path)), Arrival(1, this_user()))

    assert contents(tmp_path) == before


def test_looking_writes_nothing(tmp_path: Path) -> None:
    """Who is refused afterwards was not there."""
    (tmp_path / "status.json").write_text(render(Status("faces", "a", State.SUCCEEDED, attempt=2)))
    before = contents(tmp_path)
    standing = standing_of(open_store(str(tmp_path)), Arrival(1, MINE))

    assert contents(tmp_path) == before
    assert standing.owner.attempts_before == 2
    assert standing.done("a")
    assert not standing.done("b")


def test_a_run_that_another_worker_ended_meanwhile_is_not_begun_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who waited for it finds it done when he has it alone, and leaves status and report as they are."""
    folder = tmp_path / "faces" / "0123456789"
    (tmp_path / "given.yaml").write_text(dump_spec(SPEC))
    come(folder, owner=this_user())
    (folder / "status.json").write_text(
        render(Status("faces", "0123456789", State.SUCCEEDED, message="well"))
    )
    before = contents(folder)
    monkeypatch.setattr(worker, "standing_of", lambda _, arrival: Standing(arrival.owner, None))

    assert worker.run(str(folder), 2, spec=tmp_path / "given.yaml") == 0
    assert contents(folder).items() >= before.items()


@pytest.mark.parametrize("name", ["owner.json", "status.json", "spec.yaml"])
@pytest.mark.parametrize(
    "data", [b"", b"[]", b"null", b"\xff\xfe", b"[" * 50_000, b"{" * 200, b"x" * 5_000_000]
)
def test_a_damaged_document_is_named_with_what_to_do(tmp_path: Path, name: str, data: bytes) -> None:
    """Whatever it is, and however large; nothing of it is quoted at length."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises(
        StorageError, match=rf"/{name.replace('.', '[.]')}: cannot be read \(.*\): remove it"
    ) as bad:
        come(tmp_path)

    assert len(str(bad.value)) < 1000


@pytest.mark.parametrize("data", [b"", b"{}", b'{"cluster": "a", "namespace": "b", "name": "c", "uid": 4}'])
def test_an_owner_file_that_names_nobody_is_refused(tmp_path: Path, data: bytes) -> None:
    """A worker of nobody must not take itself for this machine's user."""
    (tmp_path / "owner.json").write_bytes(data)
    for path in (tmp_path / "owner.json", tmp_path / "missing.json", tmp_path):
        with pytest.raises(BadSpecError, match="names no FineTuneJob"):
            arrival_of(1, None, path, PodContext())


def test_a_spec_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """With its name, before the run's folder is looked at."""
    (tmp_path / "spec.yaml").write_text("name: [")
    with pytest.raises(FtjobError, match=r"spec\.yaml"):
        arrival_of(1, tmp_path / "spec.yaml", None, PodContext())
