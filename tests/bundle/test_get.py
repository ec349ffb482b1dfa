"""`ftjob get` copies what a bundle's manifest names, and opens nothing else."""

import os
import shutil
from pathlib import Path

import pytest

from ftjob.client.local_run import Run
from ftjob.errors import BadNetError
from tests.bundle.conftest import Changed


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Run:
    """A copy of the run's folder."""
    return Run(str(shutil.copytree(made.parent, tmp_path / "runs" / "digits" / "0123456789")))


def test_what_the_manifest_names_is_copied(run: Run, made: Path, tmp_path: Path) -> None:
    os.mkfifo(run.folder.bundle / "pipe")
    (run.folder.bundle / "link").symlink_to("/dev/zero")
    copied = run.get(tmp_path / "copy")
    assert {path.relative_to(copied): path.read_bytes() for path in copied.rglob("*") if path.is_file()} == {
        path.relative_to(made): path.read_bytes() for path in made.rglob("*") if path.is_file()
    }


def test_nothing_is_copied_of_a_bundle_that_leads_elsewhere(run: Run, tmp_path: Path) -> None:
    bundle = Changed(run.folder.bundle)
    bundle.labels.unlink()
    bundle.labels.symlink_to("/etc/passwd")
    bundle.seal()
    with pytest.raises(BadNetError, match="leads out of the bundle's folder"):
        run.get(tmp_path / "copy")
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
