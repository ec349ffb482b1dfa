"""The page of a dataset: its pictures, its classes, what a check finds, and what may be looked at."""

import re
import shutil
from pathlib import Path

import pytest

from ftjob import api
from ftjob.fs.paths import cache_dir
from ftjob.runfolder.layout import RunFolder
from ftjob.ui.work.examined import MOST_PICTURES, OF_A_CLASS, Examined, examine
from tests.dataset.images import dataset, photo, raw, write_photos
from tests.ui.asking import done
from tests.ui.served import Pages

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures with a picture under two labels, and a class whose name is markup."""
    folder = write_photos(tmp_path / "pictures", {"cat": 8, HOSTILE: 6})
    shutil.copy(folder / "cat" / "001.jpg", next(folder.glob("<*")) / "copy.jpg")
    return folder


def test_a_folder_of_pictures_is_built_checked_and_shown(pages: Pages, pictures: Path) -> None:
    """Every class with its count and pictures; every finding in the command line's words, with its own."""
    answer = done(pages.with_token(), pages.with_token().post("/data", {"data": str(pictures)}))
    page, [built] = answer.data.decode(), list((cache_dir() / "datasets").glob("*/manifest.json"))

    assert answer.status == 200
    report = api.check_data(built.parent)
    [finding] = [each for each in report.findings if "under two labels" in each.message]
    shown = re.search(r'<div class="finding error">.*?</div>\n</div>', page, re.DOTALL)
    assert shown
    assert report.sentence(finding).split(", such as")[0] in shown[0]
    assert len(finding.records) == 2 == shown[0].count("<img")
    counts = re.findall(
        r'<td class="n">(\d+)</td><th scope="row"[^>]*>cat</th><td class="n">(\d+)</td>', page
    )
    assert counts == [("1", str(report.train.histogram[1]))]
    assert "<img src=x" not in page
    first = re.search(r'src="(/data/[^"]*/pictures/0)"', page)
    assert first
    picture = pages.get(first[1])
    assert picture.headers["Content-Type"] == "image/jpeg"
    assert picture.data.startswith(b"\xff\xd8\xff")
    assert len(picture.data) < 10_000


def test_the_plan_finds_what_was_built(pages: Pages, pictures: Path) -> None:
    """A net of three channels is trained on the very dataset."""
    done(pages.with_token(), pages.with_token().post("/data", {"data": str(pictures)}))
    first = (pictures / "spec.yaml", api.first_spec("alexnet", str(pictures)))
    first[0].write_text(first[1])

    api.plan(first[0], to_train=False)
    assert len(list((cache_dir() / "datasets").glob("*/manifest.json"))) == 1


def test_an_lmdb_is_shown_as_it_is(pages: Pages, tmp_path: Path) -> None:
    """Labels without names, a blank picture with its own picture."""
    records = [raw(number % 2, photo(number, 9, 8)) for number in range(12)]
    lmdb = dataset(tmp_path / "train", [*records, raw(1, photo(1, 9, 8) * 0)])
    page = done(pages.with_token(), pages.with_token().post("/data", {"data": str(lmdb)})).data.decode()

    assert "1 picture is of one colour all over" in page
    assert re.search(
        r'<div class="finding warning">.*?<img src="/data/[^"]*" alt="train 012"', page, re.DOTALL
    )


def test_pictures_are_bounded(tmp_path: Path) -> None:
    """Of all classes together; some of every class as long as there is room."""
    many = [raw(label, photo(label, 8, 8)) for label in range(450)]
    few = [raw(number % 2, photo(number, 8, 8)) for number in range(60)]

    def kept(values: list[bytes], name: str) -> Examined:
        return examine(str(dataset(tmp_path / name, values)), lambda _: None)

    shown = kept(many, "many").classes()
    assert [len(each.records) for each in shown] == [1] * MOST_PICTURES + [0] * 50
    assert [len(each.records) for each in kept(few, "few").classes()] == [OF_A_CLASS] * 2


@pytest.mark.parametrize("place", ["", "/etc", "/nowhere", "s3://", "a\0b", "x" * 5000, "x" * 300])
def test_what_is_no_dataset_gets_a_sentence(pages: Pages, place: str) -> None:
    """What it is and what to do; a 4xx."""
    begun = pages.with_token().post("/data", {"data": place})
    answer = begun if begun.status != 303 else done(pages, begun)
    page = answer.data.decode()

    assert answer.status == 422
    assert len(re.findall(r'role="alert">[^<]+</p>', page)) == 1


def test_without_the_token_only_data_of_runs_can_be_named(
    pages: Pages, emotions: RunFolder, pictures: Path
) -> None:
    """403 for any other place; those that a run names are in the list."""
    emotions.spec.write_text(emotions.spec.read_text().replace("/faces", str(pictures)))

    assert pages.post("/data", {"data": "/etc"}).status == 403
    assert f'<option value="{pictures}">' in pages.text("/data")
    assert done(pages, pages.post("/data", {"known": str(pictures)})).status == 200
    assert pages.get("/data/guess").status == 404
    assert pages.get("/data/guess/pictures/0").status == 404


def test_a_finding_names_its_records(tmp_path: Path) -> None:
    """Those of equal pictures in both datasets, in the JSON too."""
    first = dataset(tmp_path / "train", [raw(number % 2, photo(number, 9, 8)) for number in range(8)])
    second = dataset(tmp_path / "val", [raw(number % 2, photo(number, 9, 8)) for number in range(6, 12)])
    report = api.check_data(first, second)

    [finding] = [each for each in report.findings if "in train and in val" in each.message]
    places = {(each.dataset, each.key) for each in finding.records}
    assert places == {
        (str(first), "006"),
        (str(first), "007"),
        (str(second), "000"),
        (str(second), "001"),
    }
    assert {"dataset": str(second), "key": "001"} in report.to_json()["findings"][0]["records"]
