"""Rules for the names of buckets, keys, locations and runs, shared by all code that reads or writes them.

Each rule is an exact function, and a pattern for the API server and for editors. The pattern refuses what a
pattern can (RE2 has no look-ahead) and nothing that the function accepts.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from jobspec.problems import one_line

SCHEMES = ("s3", "gs", "az")
"""Amazon S3 and compatible stores, Google Cloud Storage, Azure Blob Storage."""
LONGEST_LOCATION = 4096
"""Characters; Linux' longest path."""
LONGEST_NAME = 255
"""Bytes in UTF-8 of a part of a path; Linux' NAME_MAX."""
LONGEST_KEY = 1024
"""Bytes in UTF-8, in all three stores."""

LONGEST_RUN_NAME = 40
"""Characters; leaves room for "-<run id>-<attempt>" in a DNS label's 63."""
RUN_NAME = f"[a-z0-9](?:[-a-z0-9]{{0,{LONGEST_RUN_NAME - 2}}}[a-z0-9])?"
"""A DNS label (RFC 1123), as Kubernetes wants it."""
ITERATION = "[1-9][0-9]{0,9}"
RUN_REFERENCE = "run:"
"""The prefix of a reference to a run."""
ALIAS_NAME = "[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label."""
PROMOTION = "[1-9][0-9]{0,5}"
"""The number of a promotion in an alias's history."""
ALIAS_REFERENCE = "alias:"
"""The prefix of a reference to the run that an alias points to."""
REFERENCES = (RUN_REFERENCE, ALIAS_REFERENCE)
KNOWN_REFERENCE = "known:"
"""The prefix of a name of published weights."""
KNOWN_NAME = "[a-z0-9][a-z0-9._-]{0,62}"

_CREDENTIALS = re.compile(r"^[^/]*:[^/]*@|[?&](X-Amz-Signature|Signature|sig)=")
# What a URL's parser takes for an IPv4 address: 192.168.5.4, and 1234 or 0x7f.1 as well (https://url.spec.whatwg.org).
_ADDRESS = re.compile(r"(?:[0-9]+|0x[0-9a-f]*)(?:\.(?:[0-9]+|0x[0-9a-f]*))*")
_DOTS = ("", ".", "..")
_URI_MEANT = re.compile(rf"({'|'.join(SCHEMES)}):|arn:")
_VARIABLE = re.compile(r"\$[A-Za-z_{]")


class GrammarError(ValueError):
    """A name that breaks its rule; the text quotes only as much of it as can be shown."""

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(f"{problem}; {remedy}")
        self.problem = problem
        self.remedy = remedy


class Uri(NamedTuple):
    """A URI in its parts: `scheme://bucket/key`."""

    scheme: str
    bucket: str
    key: str
    """Without slashes at its ends; empty for the whole bucket."""


@dataclass(frozen=True)
class _Bucket:
    """The rule for a store's bucket names."""

    pattern: str
    words: str


BUCKETS: Mapping[str, _Bucket] = {
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html
    "s3": _Bucket("[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "3 to 63 lower-case letters, digits, dots and dashes"),
    # https://cloud.google.com/storage/docs/buckets#naming
    "gs": _Bucket(
        "[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]",
        "3 to 63 lower-case letters, digits, dots, dashes and underscores, to 222 with dots",
    ),
    # https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
    "az": _Bucket("[a-z0-9](?:-?[a-z0-9]){2,62}", "3 to 63 lower-case letters, digits and single dashes"),
}


def is_bucket(scheme: str, name: str) -> bool:
    """Return whether a store may have a bucket of that name: never a host, port, user or address."""
    return (
        re.fullmatch(BUCKETS[scheme].pattern, name) is not None
        and ".." not in name
        and len(max(name.split(".") if scheme == "gs" else [name], key=len)) <= 63
        and not _ADDRESS.fullmatch(name)
    )


def key_problem(key: str) -> str | None:
    """Return why an object's key is not a plain relative path; some stores would map it to another key."""
    if not key.isprintable() or any(part in _DOTS for part in key.split("/")):
        return "has an empty, dotted or unprintable part"
    if len(key.encode()) > LONGEST_KEY:
        return f"has more than {LONGEST_KEY:,} bytes"
    return None


def parse_uri(text: str) -> Uri:
    """Split a URI of an object store into its parts, literally: nothing is decoded.

    Raises GrammarError.
    """
    scheme, _, rest = text.partition("://")
    if _CREDENTIALS.search(rest):
        raise GrammarError(
            "contains credentials, which would end up in logs and run folders", "give a plain URI"
        )
    if scheme not in SCHEMES:
        raise GrammarError(
            f"there is no store {one_line(scheme)}://", "use s3://, gs://, az:// or a directory"
        )
    bucket, _, key = rest.partition("/")
    if not bucket:
        raise GrammarError("names no bucket", f"write {scheme}://BUCKET/KEY")
    if not is_bucket(scheme, bucket):
        raise GrammarError(
            f"'{one_line(bucket)}' is not a bucket name",
            f"give {BUCKETS[scheme].words}, beginning and ending with a letter or digit, and not an address",
        )
    key = key.rstrip("/")
    if key and (problem := key_problem(key)):
        raise GrammarError(f"the key '{one_line(key)}' {problem}", "rename it")
    return Uri(scheme, bucket, key)


def check_location(text: str) -> str:
    """Return a path or URI unchanged. Raises GrammarError if it cannot be either."""
    if text != text.strip():
        raise GrammarError("begins or ends with a space", "remove it")
    if not text.isprintable():
        raise GrammarError(f"contains an invisible character ({one_line(text)})", "remove it")
    if "://" in text:
        parse_uri(text)
    elif meant := _URI_MEANT.match(text):
        slip = "is an ARN" if meant[0] == "arn:" else "lacks the two slashes of a URI"
        raise GrammarError(slip, f"write {meant[1] or 's3'}://BUCKET/KEY")
    elif _VARIABLE.match(text):
        raise GrammarError("begins with a variable, which a spec does not fill in", "write the path itself")
    elif any(len(name.encode()) > LONGEST_NAME for name in text.split("/")):
        raise GrammarError(f"has a name of more than {LONGEST_NAME} bytes", "shorten it")
    return text


# No "://" anywhere, expressed without look-ahead: what has been read ends in ":", in ":/", or in neither.
_SEEN = r"\x00-\x1f\x7f-\x9f"
_PATH = rf"(?:[^:{_SEEN}]|:(?::|/:)*(?:[^:/{_SEEN}]|/[^:/{_SEEN}]))*"
_PATH_END = "(?::(?::|/:)*/?)?"
_PART = rf"(?:[^/.{_SEEN}][^/{_SEEN}]*|\.[^/.{_SEEN}][^/{_SEEN}]*|\.\.[^/{_SEEN}]+)"
_BUCKET = "(?:" + "|".join(f"{scheme}://{BUCKETS[scheme].pattern}" for scheme in SCHEMES) + ")"

LOCATION_PATTERN = f"^(?:{_BUCKET}(?:/{_PART})*/*|{_PATH}{_PATH_END})$"
"""A path (among them `run:NAME`, where a run may be named) or a URI of a store."""


def location_pattern(suffix: str) -> str:
    """Return the pattern of a location with this suffix."""
    uri = rf"(?:{'|'.join(SCHEMES)})://[a-z0-9][a-z0-9._-]*(?:/{_PART})*(?:/\.{{0,2}})?"
    return f"^(?:{uri}|{_PATH}{_PATH_END}){re.escape(suffix)}$"
