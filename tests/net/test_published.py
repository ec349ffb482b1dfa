"""The table of published weights: every row is whole, and a name means one file for ever."""

import re
from dataclasses import replace

import pytest

from ftjob.errors import BadSpecError
from ftjob.net import zoo
from ftjob.net.zoo.published import (
    PUBLISHED,
    PublishedWeights,
    get_published,
    published_as,
    published_for,
    with_published,
)
from jobspec import JobSpec, parse_spec
from jobspec.grammar import KNOWN_NAME
from jobspec.pinned import name_of, parse_pinned

DIGESTS = {
    "bvlc_googlenet": "405fc5acd08a3bb12de8ee5e23a96bec22f08204",
    "bvlc_alexnet": "9116a64c0fbe4459d18f4bb6b56d647b63920377",
    "bvlc_reference_caffenet": "4c8d77deb20ea792f84eb5e6d0a11ca0a8660a46",
    "vgg16": "a6196bc498e45ea4cb2637114ae8db9410cf1556fd60a55ae93272371beba197",
    "vgg19": "31b4c627c40c6ee151325f079b7ac557fddbd1f79af932888796127a4f4f6954",
    "resnet50": "b7c79ccc21ad0479cddc0dd78b1d20c4d722908d",
    "squeezenet_v1.1": "72b912ace512e8621f8ff168a7d72af55910d3c7c9445af8dfbff4c2ee960142",
}
"""What each name has ever meant: runs and specs depend on it."""


def spec(weights: str) -> JobSpec:
    """A spec with such weights."""
    return parse_spec(
        f"name: a\nbase: {{net: googlenet, weights: '{weights}'}}\ndata: {{train: t, val: v}}\noutput: o\n",
        "spec.yaml",
    )


@pytest.mark.parametrize("row", PUBLISHED, ids=lambda row: row.name)
def test_a_row_is_whole(row: PublishedWeights) -> None:
    """A name that a spec takes, a file that can be asked for, and the built-in net that it is for."""
    assert re.fullmatch(KNOWN_NAME, row.name)
    assert parse_pinned(str(row.file)) == row.file
    assert name_of(row.file.address) == row.net.weights
    assert row.net.name in zoo.NAMES
    assert row.net.channels == len(row.net.mean) == 3
    assert row.page.startswith("https://")
    assert "" not in (row.licence, row.trained_on, row.digest_by)
    assert spec(row.reference).base.weights == row.reference


def test_a_name_means_the_same_file_for_ever() -> None:
    """Rows may come; none goes, none changes."""
    assert {row.name: row.file.digest for row in PUBLISHED} == DIGESTS
    assert len({row.file for row in PUBLISHED}) == len(PUBLISHED)


def test_every_net_with_usual_weights_has_a_row() -> None:
    """Whose digest finds it again, wherever the file lies."""
    wanted = {name for name in zoo.NAMES if zoo.get(name).weights}

    assert {row.net.name for row in PUBLISHED} == wanted
    for row in PUBLISHED:
        assert published_for(row.net.name) == row
        assert published_as(row.file._replace(address="http://mirror.example/x")) == row
        assert published_as(row.file._replace(digest="0" * 40)) is None
    assert published_for("lenet") is None


def test_a_spec_gets_address_and_digest() -> None:
    """In the place of the name; other weights stay."""
    made = with_published(spec("known:bvlc_googlenet"))

    assert made.base.weights == (
        "http://dl.caffe.berkeleyvision.org/bvlc_googlenet.caffemodel"
        "#sha1=405fc5acd08a3bb12de8ee5e23a96bec22f08204"
    )
    assert replace(get_published("bvlc_googlenet"), name="x").reference == "known:x"
    assert with_published(spec("s3://models/w.caffemodel")) == spec("s3://models/w.caffemodel")


@pytest.mark.parametrize(
    ("reference", "hint"),
    [
        ("known:bvlc_googlnet", "; did you mean bvlc_googlenet?"),
        ("known:googlenet", "; did you mean bvlc_googlenet?"),
        ("known:squeezenet", "; did you mean squeezenet_v1.1?"),
        ("known:quite-another", ""),
    ],
)
def test_a_name_that_is_none_is_corrected(reference: str, hint: str) -> None:
    """By one that is like it, or that of the net; all are listed."""
    with pytest.raises(BadSpecError) as caught:
        with_published(spec(reference))

    assert str(caught.value) == (
        f"base.weights: no published weights are called {reference}{hint} (there are {', '.join(DIGESTS)})"
    )
