"""Folders of pictures, and Caffe's own programs."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from ftjob.engine.caffe.installed import find_caffe
from tests.dataset.images import write_photos


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Twelve cats and eight dogs."""
    return write_photos(tmp_path / "photos", {"cat": 12, "dog": 8})


@pytest.fixture(scope="session")
def caffe_program(needs_caffe: None) -> Callable[..., str]:
    """Run one of Caffe's programs with arguments, from the installed engine; return what it printed."""

    def run(program: str, *arguments: object) -> str:
        command = [str(find_caffe().program(program)), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stderr

    return run
