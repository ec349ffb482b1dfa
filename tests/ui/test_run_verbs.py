"""What may be done to a run from its page: cancel, retry and promote, as by the verbs."""

from dataclasses import replace

import pytest

from ftjob.client import processes
from ftjob.fs import files
from ftjob.runfolder.layout import RunFolder
from ftjob.runfolder.status import State, Status, render
from tests.ui.markup import page_of
from tests.ui.served import Pages


@pytest.fixture
def writer(pages: Pages) -> Pages:
    """A browser with the token."""
    return pages.with_token()


def path(folder: RunFolder) -> str:
    return f"/runs/{folder.root.parent.name}/{folder.root.name}"


def change(folder: RunFolder, state: State) -> None:
    status = Status.parse(folder.status.read_bytes())
    files.write_text(folder.status, render(replace(status, state=state)))


@pytest.mark.parametrize(
    ("state", "verb"), [(State.SUCCEEDED, "promote"), (State.STOPPED, "retry"), (State.PENDING, "cancel")]
)
def test_a_page_offers_what_can_be_done(writer: Pages, emotions: RunFolder, state: State, verb: str) -> None:
    """To whoever may write, and to nobody else."""
    change(emotions, state)
    forms = [
        form.attributes["action"]
        for form in page_of(writer.text(path(emotions))).elements()
        if form.name == "form"
    ]

    assert forms == [f"{path(emotions)}/{verb}"]
    reader = Pages(writer.address, writer.client)
    assert "<form" not in reader.text(path(emotions))


def test_cancel_asks_the_worker(writer: Pages, emotions: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """As `ftjob cancel` does, and leads back to the run."""
    asked = []
    monkeypatch.setattr(
        processes, "ask_to_stop", lambda folder, *, now: asked.append((folder.root, now)) or True
    )

    answer = writer.post(path(emotions) + "/cancel")

    assert (answer.status, answer.headers["Location"]) == (303, path(emotions))
    assert asked == [(emotions.root, False)]


def test_a_run_that_cannot_be_retried_is_a_sentence(writer: Pages, emotions: RunFolder) -> None:
    """Its weights are gone, here."""
    answer = writer.post(path(emotions) + "/retry")

    assert answer.status in (422, 503)
    assert "/weights/bvlc_googlenet.caffemodel" in answer.data.decode()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"alias": "faces"}, ""),
        ({"alias": ""}, "alias"),
        ({"alias": "../../etc"}, "alias"),
        ({"alias": "<b>"}, "&lt;b&gt;"),
        ({"alias": "faces", "force": "yes"}, "why"),
        ({}, "alias"),
    ],
)
def test_promoting_ends_as_by_the_verb(
    writer: Pages, emotions: RunFolder, fields: dict[str, str], sentence: str
) -> None:
    """With a sentence where it may not; this bundle is no real one."""
    answer = writer.post(path(emotions) + "/promote", fields)

    assert answer.status in (409, 422, 503)
    assert 'role="alert"' in answer.data.decode()
    assert sentence in answer.data.decode()


@pytest.mark.parametrize("verb", ["cancel", "retry", "promote"])
def test_a_link_changes_nothing(writer: Pages, emotions: RunFolder, verb: str) -> None:
    """A GET of what writes is refused."""
    assert writer.get(f"{path(emotions)}/{verb}").status == 405
