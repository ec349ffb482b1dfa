"""Files of the web: which addresses and digests a spec takes, and that no credential is ever shown."""

import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import StringConstraints, TypeAdapter, ValidationError

from jobspec import SpecError, parse_spec
from jobspec.fields import Baseline, File, Location, MeanFile, Weights
from jobspec.grammar import GrammarError
from jobspec.pinned import PinnedFile, check_address, name_of, parse_pinned

SHA1, SHA256 = "a9" * 20, "0F" * 32
HOSTS = st.sampled_from(
    ["h", "dl.example.org", "127.0.0.1:8080", "[::1]:80", "a_b.c", "-h", "h.", "h:x", "", "é"]
)
PARTS = st.text("aZ0._~!'()*+,;=:@%&$-é /\\", max_size=6)
QUERIES = st.sampled_from(["", "?", "?download=1", "?a=b&c=/d?", "? ", "?#"])
PINS = st.sampled_from(
    ["", "#", f"#sha1={SHA1}", f"#sha256={SHA256}", f"#sha1={SHA256}", "#md5=00", f"#sha256={SHA1}"]
)
TEXTS = st.builds(
    "{}://{}/{}{}{}".format, st.sampled_from(["http", "https", "HTTPS", "ftp"]), HOSTS, PARTS, QUERIES, PINS
)
ANYTHING = TEXTS | st.text("htps:/#?=@a1. \n\x00", max_size=20)


@given(ANYTHING)
def test_what_is_taken_is_kept_and_its_pattern_takes_it(text: str) -> None:
    """The API server and the model are of one mind as far as a pattern goes."""
    for kind, value in ((File, text), (Weights, text), (MeanFile, text.replace("#", ".binaryproto#"))):
        adapter: TypeAdapter[str] = TypeAdapter(kind)
        try:
            taken = adapter.validate_python(value)
        except ValidationError:
            continue
        assert taken == value
        assert re.search(adapter.json_schema()["pattern"], value)


@given(ANYTHING)
def test_a_pattern_needs_no_more_than_re2_has(text: str) -> None:
    """pydantic's engine and Python's find the same."""
    for kind in (File, MeanFile):
        pattern = TypeAdapter(kind).json_schema()["pattern"]
        theirs = TypeAdapter(Annotated[str, StringConstraints(pattern=pattern)])
        try:
            theirs.validate_python(text)
            matched = True
        except ValidationError:
            matched = False
        assert matched == bool(re.search(pattern.removesuffix("$") + r"\Z", text))


@given(TEXTS)
def test_a_pinned_file_is_its_parts(text: str) -> None:
    """An address that can be asked for, a name that is one file in a folder, and a digest in lower case."""
    try:
        found = parse_pinned(text)
    except GrammarError:
        return
    address, _, pin = text.partition("#")
    assert found.address == check_address(address) == address
    assert f"{found.algorithm}={found.digest}" == pin.lower()
    assert parse_pinned(str(found)) == found
    name = name_of(text)
    assert "/" not in name
    assert name not in ("", ".", "..")
    assert name in address


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("https://h.example/a.bin", "names no digest, so other bytes may be there tomorrow; add the #sha256=… that `ftjob pin ADDRESS` finds"),
        ("https://h.example/a.bin#", "'#' is no digest; write #sha256= and 64 digits or #sha1= and 40 digits from 0 to 9 and a to f"),
        (f"https://h.example/a.bin#sha1={SHA256}", "'#sha1="),
        (f"https://h.example/a.bin#md5={'0' * 32}", "is no digest"),
        (f"https://h.example/#sha1={SHA1}", "'https://h.example/' is not the address of a file"),
        (f"https://h.example#sha1={SHA1}", "is not the address of a file"),
        (f"https://h.example/a/..#sha1={SHA1}", "'..' is not the name of a file; give the file's own address"),
        (f"https://h.example/{'a' * 256}#sha1={SHA1}", "is not the name of a file"),
        (f"https://h.example/a b#sha1={SHA1}", "with %20 and the like for all but plain characters"),
        (f"https://h.example/a\\b#sha1={SHA1}", "is not the address of a file"),
        (f"https:///a#sha1={SHA1}", "is not the address of a file"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_an_address_is_a_sentence(text: str, sentence: str) -> None:
    """With what to do."""
    with pytest.raises(GrammarError, match=re.escape(sentence)):
        parse_pinned(text)


@pytest.mark.parametrize(
    "text",
    [
        "https://me:hush@h.example/a.bin", "http://hush@h.example/a.bin", "https://h.example/a.bin?token=hush",
        "https://h.example/a.bin?x=1&X-Amz-Signature=hush", "https://h.example/a.bin?sig=hush", "https://h.example/a?access_token=hush",
        "https://h.example/a.bin?api_key=hush&x=1", "https://h.example/a.bin?x=1&PASSWORD=hush", "https://h.example/a?authkey=hush",
        "http://me:hush@evil\\@h.example/a.bin",
    ],
)  # fmt: skip
@pytest.mark.parametrize("pin", ["", f"#sha1={SHA1}"])
def test_no_credential_is_taken_or_shown(text: str, pin: str) -> None:
    """In no field: not even one that takes no address at all."""
    location = text + pin
    values = f"{{train: '{location}', val: '{location}', mean: '{location}'}}"
    spec = (
        f"name: a\nbase: {{net: '{location}', weights: '{location}'}}\ndata: {values}\noutput: '{location}'\n"
    )

    with pytest.raises(SpecError) as caught:
        parse_spec(spec, "spec.yaml")

    assert str(caught.value).count("contains credentials, which would end up in logs") >= 3
    assert "hush" not in str(caught.value)


def test_a_query_may_select_the_file() -> None:
    """It lets nobody in, and is no part of the file's name."""
    found = parse_pinned(f"https://h.example/a/net.caffemodel?download=1&keyboard=x#sha256={SHA256}")

    assert found == PinnedFile(
        "https://h.example/a/net.caffemodel?download=1&keyboard=x", "sha256", SHA256.lower()
    )
    assert name_of(found.address) == "net.caffemodel"


def test_only_single_files_come_from_the_web() -> None:
    """A net, weights, and a mean whose name ends as every mean's."""
    location = f"https://h.example/mean.binaryproto?raw=1#sha1={SHA1}"
    for kind in (File, Weights, MeanFile):
        assert TypeAdapter(kind).validate_python(location) == location
    for kind in (Location, Baseline):
        with pytest.raises(ValidationError, match="there is no store https://"):
            TypeAdapter(kind).validate_python(location)
    with pytest.raises(ValidationError, match=r"must end in \.binaryproto"):
        TypeAdapter(MeanFile).validate_python(location.replace("binaryproto", "npy"))


@pytest.mark.parametrize("name", ["known:bvlc_googlenet", "known:squeezenet_v1.1", "known:a"])
def test_weights_may_have_a_name(name: str) -> None:
    """And nothing else has one."""
    assert TypeAdapter(Weights).validate_python(name) == name
    for kind in (File, Location, MeanFile, Baseline):
        with pytest.raises(ValidationError):
            TypeAdapter(kind).validate_python(name + ".binaryproto" * (kind is MeanFile))


@pytest.mark.parametrize("name", ["known:", "known:A", "known:a/b", "known:é", f"known:{'a' * 64}"])
def test_a_name_is_a_plain_word(name: str) -> None:
    """The sentence has an example."""
    with pytest.raises(ValidationError, match=r"must be a caffemodel's path or URI, .* or known:NAME"):
        TypeAdapter(Weights).validate_python(name)
