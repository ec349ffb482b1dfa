"""What a directory lists while files come and go in it."""

import threading
from pathlib import Path

from ftjob.storage.directory import DirectoryStore


def test_files_that_go_while_it_lists_are_no_error(tmp_path: Path) -> None:
    """As a snapshot's do that is given its name, or pruned; what stays is listed every time."""
    (tmp_path / "stays").write_text("here")
    done = threading.Event()

    def come_and_go() -> None:
        while not done.is_set():
            for number in range(20):
                path = tmp_path / f"{number}.writing"
                path.write_text("soon")
                path.rename(tmp_path / f"{number}")
                (tmp_path / f"{number}").unlink()

    writer = threading.Thread(target=come_and_go)
    writer.start()
    try:
        for _ in range(300):
            assert "stays" in [entry.key for entry in DirectoryStore(tmp_path).list()]
    finally:
        done.set()
        writer.join()
