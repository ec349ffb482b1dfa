"""What a promotion's record holds is read back; whatever else stands there is refused in one sentence."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ftjob.errors import BadSpecError
from ftjob.fs.documents import UnreadableError
from ftjob.models.alias import AliasReference
from ftjob.models.promoter import person, pipeline
from ftjob.models.promotion import LONGEST, Promotion
from ftjob.runfolder.address import location_of

DIGEST = st.text("0123456789abcdef", min_size=64, max_size=64)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=50)
NUMBER = st.integers(2, 999_999)


@st.composite
def promotions(draw: st.DrawFn) -> Promotion:
    images = draw(st.integers(1, 2**40))
    earlier = st.none() | st.just(1)
    return Promotion(
        number=draw(NUMBER),
        name=draw(st.from_regex(r"[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?", fullmatch=True)),
        run_id=draw(st.text("0123456789abcdef", min_size=10, max_size=10)),
        weights=draw(DIGEST),
        bundle=draw(DIGEST),
        labels=draw(DIGEST),
        classes=draw(st.integers(0, 2**20)),
        accuracy=draw(st.floats(0, 1)),
        right=draw(st.integers(0, images)),
        images=images,
        spec=draw(DIGEST),
        when=draw(st.floats(0, 2e11)),
        by=draw(TEXT),
        ci=draw(TEXT),
        objections=tuple(draw(st.lists(TEXT, max_size=2))),
        why=draw(TEXT),
        previous=draw(earlier),
        restores=draw(earlier),
    )


@given(promotions())
def test_a_record_is_read_as_it_was_written(promotion: Promotion) -> None:
    assert Promotion.parse(promotion.render()) == promotion


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(promotions(), st.data())
def test_any_value_in_any_field_is_read_or_refused(promotion: Promotion, data: st.DataObject) -> None:
    """And what is read still names a run below the output."""
    values = promotion.to_json()
    field = data.draw(st.sampled_from(sorted(values)))
    values[field] = data.draw(JSON)
    with suppress(UnreadableError):
        read = Promotion.parse(json.dumps(values).encode())
        assert len(location_of("/runs", read.name, read.run_id).split("/")) == 4


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    with pytest.raises(UnreadableError):
        Promotion.parse(data)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../etc"},
        {"run_id": ".."},
        {"weights": "0" * 63},
        {"right": 8},
        {"previous": 3},
        {"restores": 3},
        {"number": 0},
        {"number": 2.5},
        {"why": "x" * (LONGEST + 1)},
        {"accuracy": 1.5},
        {"when": -1.0},
    ],
)
def test_what_no_promotion_has_is_refused(change: dict[str, Any]) -> None:
    sound = {
        **dict.fromkeys(("weights", "bundle", "labels", "spec"), "0" * 64),
        **{"number": 3, "name": "emotions", "run_id": "aaaa", "classes": 7, "accuracy": 1.0, "right": 7},
        **{"images": 7, "when": 1.8e9, "by": "ci@runner-7"},
    }
    Promotion.parse(json.dumps(sound).encode())

    with pytest.raises(UnreadableError):
        Promotion.parse(json.dumps({**sound, **change}).encode())


@pytest.mark.parametrize(
    ("text", "reference"),
    [
        ("faces", AliasReference("faces")),
        ("alias:faces", AliasReference("faces")),
        ("alias:faces@7", AliasReference("faces", None, 7)),
        ("s3://runs/models/faces", AliasReference("faces", "s3://runs")),
        ("alias:s3://runs/models/faces@7", AliasReference("faces", "s3://runs", 7)),
        ("/home/me@work/runs/models/faces/", AliasReference("faces", "/home/me@work/runs")),
    ],
)
def test_a_reference_is_a_name_or_a_folder(text: str, reference: AliasReference) -> None:
    assert AliasReference.parse(text) == reference


@pytest.mark.parametrize(
    "text",
    ["", "alias:", "Faces", "faces@0", "faces@x", "a/b", "models/faces", "s3://runs/faces", "a\0", "@7"],
)
def test_what_is_no_alias_is_refused(text: str) -> None:
    with pytest.raises(BadSpecError, match="is not an alias's"):
        AliasReference.parse(text)


def test_a_pipeline_is_named_by_repository_ref_and_run() -> None:
    github = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_REPOSITORY": "faces/emotions",
        "GITHUB_REF": "refs/heads/main",
    }
    gitlab = {"GITLAB_CI": "true", "CI_PROJECT_PATH": "faces/emotions", "CI_COMMIT_REF_NAME": "main"}

    assert pipeline({**github, "GITHUB_RUN_ID": "12"}) == "faces/emotions refs/heads/main run 12"
    assert pipeline({**gitlab, "CI_JOB_ID": "34"}) == "faces/emotions main run 34"
    assert pipeline({}) == ""
    assert "@" in person()
