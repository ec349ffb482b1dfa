"""Laws of predictions.jsonl: where it is, it belongs to the evaluation beside it."""

from pathlib import Path

import pytest

from ftjob.errors import StorageError
from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.records import predictions
from ftjob.runfolder.records.predictions import read_evaluated, write_evaluated
from tests.report.folders import SEVEN, evaluation_of

KEYS = [f"{place:08}" for place in range(284)]


def write(folder: RunFolder, right: float, keys: list[str] = KEYS) -> None:
    write_evaluated(folder.evaluation, folder.predictions, evaluation_of(SEVEN, right), keys)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    """Keys of any bytes too, which are text with half surrogate pairs."""
    folder, keys = RunFolder(tmp_path), ["\udcff\n\x00", *KEYS[1:]]
    write(folder, 0.7, keys)
    read = read_evaluated(folder.evaluation, folder.predictions)

    assert read
    assert read.predictions
    assert list(read.predictions) == keys
    assert sum(each.is_right for each in read.predictions.values()) == round(read.evaluation.accuracy * 284)


@pytest.mark.parametrize("failing", ["evaluation.json", "predictions.jsonl"])
def test_a_worker_that_dies_in_between_leaves_no_answers_of_another_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """Whichever of the two is the last that was written, a reader is not misled."""
    folder = RunFolder(tmp_path)
    write(folder, 0.5)
    whole = files.write_text

    def dies(path: Path, text: str) -> None:
        if path.name == failing:
            raise StorageError("killed")
        whole(path, text)

    monkeypatch.setattr(files, "write_text", dies)
    with pytest.raises(StorageError):
        write(folder, 0.9)
    read = read_evaluated(folder.evaluation, folder.predictions)

    assert read
    assert read.predictions is None
    assert {path.name for path in tmp_path.iterdir()} == {"evaluation.json"}


def test_more_than_can_be_read_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor are answers that were not kept; the evaluation is."""
    folder = RunFolder(tmp_path)
    monkeypatch.setattr(predictions, "LARGE", 1000)
    write(folder, 0.7)

    assert folder.evaluation.exists()
    assert not folder.predictions.exists()
    assert read_evaluated(tmp_path / "none.json", folder.predictions) is None
