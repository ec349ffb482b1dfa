"""Laws of what a name on the command line means."""

from pathlib import Path

import pytest

from ftjob.client import registry as runs
from ftjob.client.local_run import Run
from ftjob.errors import BadSpecError, NotEndedError
from ftjob.fs import files
from ftjob.runfolder.address import location_of
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status


def a_run(output: Path, name: str, run_id: str) -> str:
    """Make a run's folder as submit leaves it."""
    location = location_of(str(output), name, run_id)
    folder = RunFolder(Path(location))
    folder.root.mkdir(parents=True)
    folder.spec.write_text("")
    runs.remember(location)
    return location


def test_a_name_means_its_newest_run(tmp_path: Path):
    """NAME is the run of that name submitted last, wherever its output lies."""
    a_run(tmp_path / "one", "emotions", "aaaa")
    newest = a_run(tmp_path / "two", "emotions", "bbbb")
    a_run(tmp_path / "two", "faces", "cccc")

    assert runs.find_run("emotions") == newest


def test_submitting_an_old_run_again_makes_it_the_newest(tmp_path: Path):
    """Newest is by the last submit, not by the first."""
    first = a_run(tmp_path, "emotions", "aaaa")
    a_run(tmp_path, "emotions", "bbbb")
    runs.remember(first)

    assert runs.find_run("emotions") == first


@pytest.mark.parametrize("reference", ["emotions/aaaa", "emotions/aa", "aaaa", "aa"])
def test_an_id_or_its_beginning_means_one_run(tmp_path: Path, reference: str):
    """NAME/ID, ID and their beginnings find the run."""
    wanted = a_run(tmp_path, "emotions", "aaaa")
    a_run(tmp_path, "emotions", "bbbb")

    assert runs.find_run(reference) == wanted


def test_a_folder_means_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A run's folder, copied from elsewhere, is found without ever having been submitted here."""
    folder = tmp_path / "copied" / "emotions" / "aaaa"
    folder.mkdir(parents=True)
    (folder / "spec.yaml").write_text("")
    monkeypatch.chdir(tmp_path)

    assert runs.find_run("copied/emotions/aaaa") == str(folder)


def test_an_ambiguous_beginning_is_refused_with_the_choices(tmp_path: Path):
    """A beginning that fits two runs names both."""
    a_run(tmp_path, "emotions", "ab12")
    a_run(tmp_path, "faces", "ab34")

    with pytest.raises(BadSpecError, match=r"several runs \(emotions/ab12, faces/ab34\)"):
        runs.find_run("ab")


def test_an_unknown_name_is_refused_with_the_known_ones(tmp_path: Path):
    """The sentence lists the names that would be found."""
    a_run(tmp_path, "emotions", "aaaa")

    with pytest.raises(BadSpecError, match="known here: emotions"):
        runs.find_run("emotoins")


def test_a_run_whose_folder_is_gone_is_no_longer_listed(tmp_path: Path):
    """`ls` shows what is there; deleting a folder is how a run is forgotten."""
    location = a_run(tmp_path, "emotions", "aaaa")
    RunFolder(Path(location)).spec.unlink()

    assert runs.known_runs() == []


@pytest.mark.parametrize("text", ["", "[", "null", '{"folder": 7, "submitted": 1}', '{"folder": "/etc/x"}'])
def test_a_damaged_note_hides_no_other(tmp_path: Path, cache: Path, text: str):
    """It is named, and the run it was of is found by its folder."""
    damaged = a_run(tmp_path, "emotions", "aaaa")
    sound = a_run(tmp_path, "faces", "bbbb")
    (cache / "runs" / "emotions" / "aaaa.json").write_text(text)

    locations, unreadable = runs.read_notes()

    assert locations == [sound]
    assert len(unreadable) == 1
    assert "aaaa.json: " in unreadable[0]
    assert runs.find_run(damaged) == damaged


@pytest.mark.parametrize("reference", ["~nobody-of-that-name/run", "a" * 5000, "a\0b", "[", "*/*", "../.."])
def test_what_is_no_name_is_refused(reference: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Whatever is typed, where no folder above is a run's."""
    (tmp_path / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "er")

    with pytest.raises(BadSpecError):
        runs.find_run(reference)
    assert runs.known_runs(reference) == []


@pytest.mark.parametrize("reference", ["s3://", "s3://bucket", "s3://bucket/../..", "s3://bucket/a/.."])
def test_a_uri_without_name_and_id_is_refused(reference: str):
    """Both become folders of this disk's cache."""
    with pytest.raises(BadSpecError, match="is no run's folder"):
        runs.find_run(reference)


def test_who_waits_for_a_run_that_does_not_change_is_let_go_in_time(tmp_path: Path):
    """A run that nobody has begun shows no change, and is no reason to wait on."""
    waiting = Run(a_run(tmp_path, "emotions", "aaaa"))
    files.write_json(waiting.folder.status, Status("emotions", "aaaa", State.PENDING).to_json())

    with pytest.raises(NotEndedError, match=r"emotions/aaaa: is still Pending after 0 s: wait again"):
        waiting.wait(0)
