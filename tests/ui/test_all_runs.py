"""The page of all runs: the figures of `ftjob ls`, found, sorted, and a thousand at once."""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ftjob.client import registry
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State
from ftjob.ui.settings import UiSettings
from tests.hostile_runs import ended, finished, put
from tests.ui.markup import Page, page_of
from tests.ui.served import HOSTS, TOKEN, Pages, served


@pytest.fixture
def many(tmp_path: Path, cache: Path) -> Iterator[Pages]:
    """A hundred and twenty runs beside a sound one, which are read once a second as users' are."""
    copies(finished(tmp_path), 120)
    with served(UiSettings(TOKEN, HOSTS)) as pages:
        yield pages


def copies(folder: RunFolder, count: int) -> None:
    """Have more runs known that are as one, later ones dearer."""
    status = json.loads(folder.status.read_text())
    for number in range(count):
        run_id = f"{number:010x}"
        root = folder.root.parent / run_id
        (root / "metrics").mkdir(parents=True)
        for path in (folder.spec, folder.test_metrics):
            os.link(path, root / path.relative_to(folder.root))
        mine = {**status, "run_id": run_id, "usd": float(number), "submitted": 1e9 + number}
        mine["state"] = "Failed" if number % 10 == 0 else mine["state"]
        RunFolder(root).status.write_text(json.dumps(mine))
        registry.remember(str(root))


def rows(page: Page) -> list[list[str]]:
    """The table's cells, a run each."""
    return [row[1:] for row in page.rows("runs")[1:]]


def test_it_has_what_ls_has(pages: Pages, emotions: RunFolder) -> None:
    """Each figure of `ftjob ls`, word for word."""
    [row] = rows(page_of(pages.text("/")))
    listed = ended("ls", "", "").out.splitlines()[1].split()

    assert listed[0] in row[0]
    assert set(listed[1:]) <= {*row, *row[0].split("/")}


def test_a_run_has_its_curve(pages: Pages, emotions: RunFolder) -> None:
    """A small line, in words for those who do not see it."""
    assert 'aria-label="accuracy from 14.0% to 17.0%"' in pages.text("/")


def test_no_runs_is_a_page_too(pages: Pages) -> None:
    """With what to do."""
    assert "No run was submitted here yet" in pages.text("/")


def test_runs_come_by_the_page(many: Pages) -> None:
    """Fifty on each, the newest first, and each once."""
    seen = [row[0] for number in (1, 2, 3) for row in rows(page_of(many.text(f"/?page={number}")))]

    assert len(seen) == len(set(seen)) == 121
    assert "1 to 50 of 121 runs" in many.text("/")
    assert "Page 2 of 3" in many.text("/?page=2")
    assert "There are only 3 pages" in many.text("/?page=4")


def test_runs_are_found_and_sorted(many: Pages) -> None:
    """By a part of their name or node, by state, and by a column, up and down."""
    assert len(rows(page_of(many.text("/?q=00000000&state=Failed")))) == 12
    assert "None of the 121 runs is meant" in many.text("/?q=p2.xl&state=Running")
    costs = [row[5] for row in rows(page_of(many.text("/?sort=-cost")))]
    assert costs[:2] == ["$119.00", "$118.00"]
    assert [row[5] for row in rows(page_of(many.text("/?sort=cost")))][:2] == ["$0.00", "$0.57"]
    assert 'aria-sort="descending"' in many.text("/?sort=-cost")


@pytest.mark.parametrize(
    "query", ["page=-1", "page=x", "page=1e9", "sort=usd", "state=x", "page=%C2%B2", "q=%00"]
)
def test_an_address_that_means_nothing_is_passed_over(pages: Pages, emotions: RunFolder, query: str) -> None:
    """A page comes all the same."""
    assert pages.get(f"/?{query}").status == 200


def test_links_keep_what_was_asked_for(many: Pages) -> None:
    """To the next page of what was found, in its order."""
    assert 'href="/?q=emo&amp;sort=cost&amp;page=2"' in many.text("/?q=emo&sort=cost")


def test_a_bad_run_hides_no_other(pages: Pages, tmp_path: Path, emotions: RunFolder) -> None:
    """One sentence in its row."""
    finished(tmp_path, "faces")
    put("brackets", emotions.status)

    sound, bad = rows(page_of(pages.text("/")))
    assert "faces" in sound[0]
    assert str(State.UNREACHABLE) in bad
    assert "status.json: " in bad[-1]


def test_a_note_that_cannot_be_read_is_named(pages: Pages, cache: Path, emotions: RunFolder) -> None:
    """And the runs are there."""
    (cache / "runs" / "broken").mkdir(parents=True)
    (cache / "runs" / "broken" / "0.json").write_text("{")

    text = pages.text("/")
    assert "0.json: " in text
    assert len(rows(page_of(text))) == 1


@pytest.mark.slow
def test_a_thousand_runs_are_no_pause(tmp_path: Path, cache: Path) -> None:
    """Once they were read, a page takes less than a second of the processor, and so does one of another
    order."""
    copies(finished(tmp_path), 1000)
    with served(UiSettings(TOKEN, HOSTS, refresh_seconds=0)) as pages:
        pages.text("/")
        for path in ("/", "/?sort=-cost&page=3", "/?q=0003"):
            begin = time.process_time()
            pages.text(path)
            assert time.process_time() - begin < 1
