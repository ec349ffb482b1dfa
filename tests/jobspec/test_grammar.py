"""What buckets, keys, locations and runs may be called, and that a pattern refuses nothing of it."""

import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from jobspec.fields import Location, MeanFile, Weights
from jobspec.grammar import BUCKETS, GrammarError, Uri, check_location, is_bucket, parse_uri

LETTERS = "ab1.:/-_@?#~% \x00\n\u0085\u202eé"
SCHEMES = st.sampled_from(["s3", "gs", "az"])
ANY_URI = st.builds(
    "{}://{}{}".format, SCHEMES, st.text("ab1.-_:@?#", max_size=8), st.text(LETTERS, max_size=8)
)
FIELDS = [TypeAdapter(kind) for kind in (Location, Weights, MeanFile)]


@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
@pytest.mark.parametrize(
    "bucket",
    [
        "host:9000", "user@evil", "evil#x", "evil?x", "a b", "1234", "127.0.0.1", "0x7f.1", "-ab", "ab-", "ab",
        "a..b", ".ab", "Data", "a" * 223, "[::1]", "%41bc", "a\\b", "a\nb", "ab\u0661", "\u0430bc",
    ],
)  # fmt: skip
def test_what_could_be_a_part_of_an_address_is_no_bucket(scheme: str, bucket: str) -> None:
    """The name becomes a part of the address that signed requests are sent to."""
    with pytest.raises(GrammarError, match=r"is not a bucket name|contains credentials"):
        parse_uri(f"{scheme}://{bucket}/x")


@pytest.mark.parametrize(
    ("scheme", "bucket"),
    [("s3", "my.data-1"), ("s3", "123-a"), ("s3", "logs.2024"), ("s3", "a" * 63), ("gs", "a_b"),
     ("gs", f"{'a' * 63}.{'b' * 63}"), ("az", "con-tainer")],
)  # fmt: skip
def test_what_a_store_takes_is_a_bucket(scheme: str, bucket: str) -> None:
    """By the rules of each."""
    assert is_bucket(scheme, bucket)
    assert parse_uri(f"{scheme}://{bucket}/a b/c?d#e/") == Uri(scheme, bucket, "a b/c?d#e")


@pytest.mark.parametrize(
    ("scheme", "bucket"), [("s3", "a_b"), ("az", "a--b"), ("az", "a.b"), ("gs", "a" * 64)]
)
def test_each_store_has_rules_of_its_own(scheme: str, bucket: str) -> None:
    """Underscores are Google's, dots are not Azure's."""
    assert not is_bucket(scheme, bucket)


@pytest.mark.parametrize("key", ["/a", "a//b", "./a", "a/..", "a\nb", "a\u202eb", "é" * 513])
def test_a_key_is_a_plain_relative_path(key: str) -> None:
    """Some stores would take others for another."""
    with pytest.raises(GrammarError):
        parse_uri(f"s3://data/{key}")


@given(ANY_URI | st.text(LETTERS, min_size=1, max_size=12))
def test_the_pattern_refuses_nothing_that_is_taken(text: str) -> None:
    """The API server and the model are of one mind as far as a pattern goes."""
    for field in FIELDS:
        pattern, value = field.json_schema()["pattern"], text + ".binaryproto"
        try:
            field.validate_python(value)
        except ValidationError:
            continue
        assert re.search(pattern, value)


@pytest.mark.parametrize(
    "location",
    [
        "s3://host:9000/x", "s3://user@evil/x", "s3://evil#x/", "s3://evil?x/", "s3://a b/x", "https://h/x",
        "s3:///x", "s3://data/../x", "s3://data//x", "S3://data", "a\nb", "file:///x", "a::/://b",
    ],
)  # fmt: skip
def test_the_pattern_refuses_what_leads_elsewhere(location: str) -> None:
    """A bare `kubectl apply` is refused as `ftjob submit` is."""
    for field in FIELDS:
        value = location + ".binaryproto" * (field is FIELDS[2])
        with pytest.raises(ValidationError):
            field.validate_python(value)
        assert not re.search(field.json_schema()["pattern"], value)


@given(ANY_URI | st.text(LETTERS, min_size=1, max_size=12))
def test_a_pattern_needs_no_more_than_re2_has(text: str) -> None:
    """pydantic's engine has no look-ahead either, as the API server's; it and Python's find the same."""
    for pattern in {field.json_schema()["pattern"] for field in FIELDS}:
        theirs = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
        try:
            theirs.validate_python(text)
            matched = True
        except ValidationError:
            matched = False
        assert matched == bool(re.search(pattern.removesuffix("$") + r"\Z", text))


@given(st.text(LETTERS, max_size=12))
def test_a_path_is_what_has_no_scheme(text: str) -> None:
    """Whatever else stands in it, if it can be seen."""
    try:
        taken = check_location(text)
    except GrammarError:
        assert "://" in text or not text.isprintable() or text != text.strip()
    else:
        assert taken == text


def test_every_scheme_has_its_rule() -> None:
    """And none has one that cannot be named."""
    assert {parse_uri(f"{scheme}://data").scheme for scheme in BUCKETS} == {"s3", "gs", "az"}


def test_a_part_of_a_path_is_as_long_as_linux_takes() -> None:
    """In bytes, of which some letters have several."""
    assert check_location(f"data/{'x' * 255}/{'y' * 255}")
    with pytest.raises(GrammarError, match="255 bytes"):
        check_location(f"data/{'x' * 200}/{'é' * 128}")


@pytest.mark.parametrize(
    ("location", "sentence"),
    [
        ("s3:/data/x", "lacks the two slashes of a URI; write s3://BUCKET/KEY"),
        ("gs:data/x", "lacks the two slashes of a URI; write gs://BUCKET/KEY"),
        ("arn:aws:s3:::data/x", "is an ARN; write s3://BUCKET/KEY"),
        ("$HOME/runs", "begins with a variable, which a spec does not fill in; write the path itself"),
        ("${DATA}/x", "begins with a variable, which a spec does not fill in; write the path itself"),
    ],
)
def test_what_was_meant_for_something_else_is_no_path(location: str, sentence: str) -> None:
    """It would make a folder `s3:` or `$HOME`, and the run would be there."""
    with pytest.raises(GrammarError, match=re.escape(sentence)):
        check_location(location)
    assert check_location(f"./{location}") == f"./{location}"
