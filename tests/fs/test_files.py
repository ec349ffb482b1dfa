"""Laws of files that are whole or not there."""

import subprocess
import sys
from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.fs import files


def test_a_block_that_fails_leaves_the_old_file(tmp_path: Path):
    """What was there stays, and the temporary file goes."""
    path = tmp_path / "status.json"
    path.write_text("old")

    with pytest.raises(ZeroDivisionError), files.whole(path) as temporary:
        temporary.write_text(str(1 / 0))

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_missing_parent_is_made(tmp_path: Path):
    """Writing into a new folder makes it."""
    files.write_json(tmp_path / "a" / "b.json", {"c": 1})

    assert (tmp_path / "a" / "b.json").read_text() == '{\n "c": 1\n}\n'


def test_an_unwritable_place_is_named(tmp_path: Path):
    """The sentence has the file and what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"file/status.json: cannot be written .*try again"):
        files.write_text(tmp_path / "file" / "status.json", "")


def test_a_full_disk_is_called_so(small_disk: Path):
    """ENOSPC asks for space, and leaves nothing half-written."""
    with pytest.raises(StorageError, match=r"No space left on device.*free some space"):
        files.write_text(small_disk / "big", "x" * 10_000_000)

    assert list(small_disk.iterdir()) == []


def test_a_killed_writer_leaves_the_old_file_whole(tmp_path: Path):
    """SIGKILL between the first byte and the rename changes nothing at the path."""
    path = tmp_path / "status.json"
    path.write_text("old")
    script = (
        "import os, signal, sys; from pathlib import Path; from ftjob.fs import files\n"
        "with files.whole(Path(sys.argv[1])) as t: t.write_text('half'); os.kill(os.getpid(), signal.SIGKILL)"
    )

    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)

    assert killed.returncode == -9
    assert path.read_text() == "old"


def test_modes_are_those_of_ordinary_files(tmp_path: Path):
    """Others may read a run folder: a temporary file's 0600 does not stay."""
    files.write_text(tmp_path / "spec.yaml", "")

    assert (tmp_path / "spec.yaml").stat().st_mode & 0o777 == 0o644
