"""docs/storage.md says what is."""

import re
from pathlib import Path

import pytest

from ftjob.storage.bucket import Bucket as Reached
from ftjob.storage.bucket import Opened
from ftjob.storage.explain import RequestFailure, sentence
from ftjob.storage.location import parse_store_uri
from tests.storage.servers import Bucket

PAGE = (Path(__file__).parents[2] / "docs" / "storage.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| (`\w+`.*|503.*) \| (.*) \|$", PAGE, re.MULTILINE)
STATUS = {"NoSuchKey": 404, "NoSuchBucket": 404, "503": 503}


def test_the_example_runs(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a real server, its bucket's name apart."""
    [example] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(compile(example.replace("s3://faces", s3.uri), "docs/storage.md", "exec"), {})

    assert (tmp_path / "status.json").read_text() == "{}"


def test_every_sentence_shown_is_what_is_reported() -> None:
    """Word for word, of a bucket at the address that the page names."""
    place = parse_store_uri("s3://faces")
    bucket = Reached(place, "http://127.0.0.1:9000", 120.0, lambda: Opened(None))  # type: ignore[arg-type]
    assert len(ROWS) == 8
    for cause, message in ROWS:
        code = re.findall(r"\w+", cause)[1 if "SignatureDoesNotMatch" in cause else 0]
        answer = RequestFailure(STATUS.get(code, 403), None if code.isdigit() else code, "")
        assert sentence(answer, "writing it", bucket) == message


def test_every_variable_named_is_read() -> None:
    """Ours at least; AWS' are botocore's business."""
    sources = "".join(path.read_text() for path in Path(__file__).parents[2].glob("ftjob/storage/*.py"))
    assert [name for name in re.findall(r"FTJOB_\w+", PAGE) if name not in sources] == []
