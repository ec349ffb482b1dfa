"""A bundle's answers on a page are the command line's, and bundles stay open between pictures."""

import base64
import re
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

import ftjob
from ftjob.ui.work import classifiers
from ftjob.ui.work.classifiers import OPEN, Classifiers
from tests.ui.asking import with_file
from tests.ui.served import Pages, served

pytestmark = [pytest.mark.caffe, pytest.mark.torch]


@pytest.fixture(scope="module")
def pages() -> Iterator[Pages]:
    """The pages of `ftjob ui`."""
    with served() as pages:
        yield pages


def test_the_answers_are_those_of_the_command_line(pages: Pages, made: Path) -> None:
    """By a plain form: classes and probabilities, and the picture as the net sees it."""
    golden = made / "golden" / "00.png"
    [expected] = ftjob.classify(str(made), [str(golden)], top=3)
    fields = {"other": str(made), "top": "3"}
    page = with_file(pages.with_token(), "/classify", fields, ("00.png", golden.read_bytes())).data.decode()

    rows = re.findall(r'<th scope="row" class="name">(.*?)</th><td class="n">(.*?)</td>', page)
    assert rows == [(each.name, f"{each.probability:.1%}") for each in expected.guesses]
    [seen] = re.findall(r'src="data:image/jpeg;base64,([^"]*)" alt="00.png, as the net sees it"', page)
    image = cv2.imdecode(np.frombuffer(base64.b64decode(seen), np.uint8), cv2.IMREAD_GRAYSCALE)
    stored = cv2.imread(str(golden), cv2.IMREAD_GRAYSCALE)
    assert image.shape == (28, 28)
    assert np.abs(image.astype(int) - stored[2:30, 2:30]).mean() < 10


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was opened and closed, in order."""
    seen: list[str] = []
    real = classifiers.open_classifier

    class Noted:
        def __init__(self, model: classifiers.Model, hardware: object) -> None:
            self._inner, self._name = real(model, hardware), model.weights.parent.name

        def __enter__(self) -> object:
            seen.append(f"open {self._name}")
            return self._inner.__enter__()

        def __exit__(self, *error: object) -> None:
            seen.append(f"close {self._name}")
            self._inner.__exit__(*error)

    monkeypatch.setattr(classifiers, "open_classifier", Noted)
    return seen


def test_bundles_stay_open_and_few(made: Path, tmp_path: Path, opened: list[str]) -> None:
    """A second picture opens nothing; of more than OPEN bundles the one not used for longest is closed."""
    data = (made / "golden" / "00.png").read_bytes()
    bundles = [tmp_path / f"bundle{number}" for number in range(OPEN + 1)]
    for bundle in bundles:
        bundle.symlink_to(made)
    kept = Classifiers()
    for bundle in (bundles[0], bundles[0], bundles[1], bundles[0], bundles[2]):
        kept.classify(bundle, data, 1)
    kept.close()

    assert opened[:4] == ["open bundle0", "open bundle1", "close bundle1", "open bundle2"]
    assert sorted(opened[4:]) == ["close bundle0", "close bundle2"]
