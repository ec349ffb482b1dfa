"""Laws of growing files in a store that cannot append."""

from pathlib import Path

import pytest

from ftjob.runfolder.tail import Tail, bring_parts, parts
from ftjob.storage import Store, open_store


def read_parts(store: Store, key: str, path: Path) -> bytes:
    bring_parts(store, key, path)
    return path.read_bytes()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A run's folder, as a store."""
    return open_store(str(tmp_path / "run"))


def test_the_store_has_what_the_file_had_at_the_last_send(store: Store, tmp_path: Path):
    """However a file grew between, byte for byte, and cut into parts at ends of lines only."""
    path, text = tmp_path / "train.jsonl", b""
    tail = Tail(store, path, "metrics/train.jsonl", part_bytes=100)
    for number in range(40):
        text += b"x" * (number * 7 % 53) + b"\n"
        path.write_bytes(text)
        tail.send()
        assert read_parts(store, "metrics/train.jsonl", tmp_path / "brought") == text

    found = parts(store, "metrics/train.jsonl")
    assert found[:2] == ["metrics/train.jsonl", "metrics/train.jsonl.00001"]
    assert all(store.read(key).endswith(b"\n") for key in found)


def test_one_send_of_a_long_file_is_many_parts(store: Store, tmp_path: Path):
    """As when a run is taken up with the metrics of the attempts before."""
    path = tmp_path / "log"
    path.write_bytes(b"line of a log\n" * 1000)

    Tail(store, path, "logs/attempt-1.log", part_bytes=1000).send()

    assert read_parts(store, "logs/attempt-1.log", tmp_path / "brought") == path.read_bytes()
    assert len(parts(store, "logs/attempt-1.log")) > 10


def test_a_shorter_file_leaves_nothing_of_the_longer_one_before(store: Store, tmp_path: Path):
    """Metrics that were cut back to a snapshot are what the store has then."""
    path = tmp_path / "train.jsonl"
    path.write_bytes(b"line\n" * 1000)
    Tail(store, path, "train.jsonl", part_bytes=100).send()
    path.write_bytes(b"line\n" * 10)

    Tail(store, path, "train.jsonl", part_bytes=100).send()

    assert read_parts(store, "train.jsonl", tmp_path / "brought") == path.read_bytes()


def test_a_log_is_not_mixed_with_that_of_another_attempt(store: Store):
    """attempt-1 and attempt-10 begin alike."""
    for key in ("logs/attempt-1.log", "logs/attempt-10.log", "logs/attempt-1.log.00001"):
        store.write(key, key.encode())

    assert parts(store, "logs/attempt-1.log") == ["logs/attempt-1.log", "logs/attempt-1.log.00001"]
