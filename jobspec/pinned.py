"""Single files on the web, pinned by their digest: `https://HOST/PATH#sha256=…`. Pure.

As in `grammar`, a function decides, and a pattern for the API server and for editors refuses nothing of what
it accepts.
"""

import re
from typing import NamedTuple

from jobspec.grammar import LONGEST_NAME, GrammarError
from jobspec.problems import one_line

WEB = ("https://", "http://")
"""How the address of a file on the web begins."""
DIGEST_DIGITS = {"sha256": 64, "sha1": 40}
"""The digests that may pin a file, and their hexadecimal digits."""

_HOST = r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_CHARACTER = "[A-Za-z0-9._~!$&'()*+,;=:@%-]"
_QUERY = r"(?:\?[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?"
_DIGEST = "(?:" + "|".join(f"{name}=[0-9a-fA-F]{{{digits}}}" for name, digits in DIGEST_DIGITS.items()) + ")"
_ADDRESS = re.compile(rf"https?://{_HOST}(?:/{_CHARACTER}*)*/(?P<name>{_CHARACTER}+){_QUERY}")
# Names of parameters that let in whoever has the address.
_SECRETS = re.compile(
    r"[?&](?:[^=&]*(?:signature|token|passw|secret|credential|auth|api_?key)[^=&]*|sig|key)=", re.IGNORECASE
)


class PinnedFile(NamedTuple):
    """A file on the web that has one digest, whoever serves it."""

    address: str
    """Without the digest."""
    algorithm: str
    """`sha256` or `sha1`."""
    digest: str
    """In lower-case hexadecimal digits."""

    def __str__(self) -> str:
        return f"{self.address}#{self.algorithm}={self.digest}"


def is_web(text: str) -> bool:
    """Return whether a location is an address of the web."""
    return text.startswith(WEB)


def check_address(text: str) -> str:
    """Return an address without a digest unchanged. Raises GrammarError, which never quotes a credential."""
    host = text.partition("://")[2].partition("/")[0]
    if "@" in host or _SECRETS.search(text):
        raise GrammarError(
            "contains credentials, which would end up in logs and run folders",
            "give a plain URI",
        )
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise GrammarError(
            f"'{one_line(text)}' is not the address of a file",
            "write https://HOST/PATH/FILE, with %20 and the like for all but plain characters",
        )
    if found["name"] in (".", "..") or len(found["name"]) > LONGEST_NAME:
        raise GrammarError(
            f"'{one_line(found['name'])}' is not the name of a file", "give the file's own address"
        )
    return text


def name_of(location: str) -> str:
    """Return the name of the file at a path, a URI or an address of the web, without query and digest."""
    path = re.split("[?#]", location, maxsplit=1)[0] if is_web(location) else location
    return path.rpartition("/")[2]


def parse_pinned(text: str) -> PinnedFile:
    """Return the address of a file and its digest. Raises GrammarError where either is missing or is none."""
    address, hash_sign, pin = text.partition("#")
    check_address(address)
    if not hash_sign:
        raise GrammarError(
            "names no digest, so other bytes may be there tomorrow",
            "add the #sha256=… that `ftjob pin ADDRESS` finds, or the #sha1=… that its page names",
        )
    if not re.fullmatch(_DIGEST, pin):
        words = " or ".join(f"#{name}= and {digits} digits" for name, digits in DIGEST_DIGITS.items())
        raise GrammarError(f"'#{one_line(pin)}' is no digest", f"write {words} from 0 to 9 and a to f")
    algorithm, _, digest = pin.partition("=")
    return PinnedFile(address, algorithm, digest.lower())


def pinned_pattern(suffix: str = "") -> str:
    """Return the pattern of a pinned file whose name has this suffix."""
    name = rf"{_CHARACTER}*{re.escape(suffix)}" if suffix else f"{_CHARACTER}+"
    return rf"^https?://{_HOST}(?:/{_CHARACTER}*)*/{name}{_QUERY}#{_DIGEST}$"


def either(*patterns: str) -> str:
    """Return the pattern of what matches one of several that are anchored at both ends."""
    return f"^(?:{'|'.join(pattern.removeprefix('^').removesuffix('$') for pattern in patterns)})$"
