"""The annotated scalars a spec is made of, each with the words its errors are told in."""

import math
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from jobspec.problems import one_line

INT32_MAX = 2**31 - 1
"""The largest count that Caffe's int32 fields hold."""


UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""What no path of a spec may hold: a control character, such as a line break."""


def said(sentence: str, field: str | None = None) -> PydanticCustomError:
    """Make an error whose text is shown as it stands, at a field of the model that is being checked."""
    return PydanticCustomError("said", "{sentence}", {"sentence": sentence, "field": field})


def must_be(words: str, *choices: str) -> WrapValidator:
    """Say one sentence, "must be <words>", whatever is wrong with a value and however many types it may have.

    `choices` are the words that may be taken literally, for did-you-mean.
    """

    def check(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            for details in error.errors():
                if details["type"] == "said":
                    raise said(**details["ctx"]) from None
            raise PydanticCustomError(
                "must_be", "must be {words}", {"words": words, "choices": choices}
            ) from None

    return WrapValidator(check)


def _without_sign(value: float) -> float:
    return value + 0.0  # -0.0 becomes 0.0, so that equal specs have equal digests


def _location(text: str) -> str:
    if text != text.strip():
        raise said("begins or ends with a space; remove it")
    if UNSEEN.search(text):
        raise said(f"holds a character that cannot be seen ({one_line(text)}); remove it")
    if text.startswith("run:"):
        raise ValueError(
            "must be a path or URI; a run can be named in base.weights and accept.not_below only"
        )
    scheme, separator, rest = text.partition("://")
    if not separator:
        return text
    authority = rest.partition("/")[0]
    if re.search(r":[^/]*@", authority) or re.search(r"[?&](X-Amz-Signature|Signature|sig)=", rest):
        raise said("holds credentials, which have no place in a spec; give a plain URI")
    if not authority and scheme != "file":
        raise said(f"names no bucket; write {scheme}://BUCKET/KEY")
    return text


def _share(text: str) -> str:
    share = Decimal(text[:-1])
    if not 0 < share <= 100:
        raise ValueError("out of range")
    return f"{share.normalize():f}%"


Location = Annotated[str, StringConstraints(min_length=1), AfterValidator(_location)]
"""A path, or a URI such as `s3://bucket/key`."""

# A Kubernetes object name must be a DNS label (RFC 1123); 40 leaves room for "-<run id>-<attempt>" in 63.
DnsLabel = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=40),
    must_be("1 to 40 lower-case letters, digits and dashes, beginning and ending with a letter or digit"),
]
NodeName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$", max_length=63),
    must_be("the name of a node profile, such as local or p2.xlarge"),
]
Run = Annotated[
    str,
    StringConstraints(pattern=r"^run:[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
    must_be("a run, as run:NAME"),
]
RunSnapshot = Annotated[
    str,
    StringConstraints(pattern=r"^run:[a-z0-9]([-a-z0-9]*[a-z0-9])?(@[1-9][0-9]*)?$"),
    must_be("a run's snapshot, as run:NAME or run:NAME@ITERATION"),
]
MeanFile = Annotated[str, StringConstraints(pattern=r"\.binaryproto$"), AfterValidator(_location)]

LayerName = Annotated[str, StringConstraints(min_length=1)]
LayerGlob = Annotated[str, StringConstraints(min_length=1)]
"""A layer's name, in which `*` and `?` stand for any letters, as in a shell."""

Percent = Annotated[
    str, StringConstraints(pattern=r"^([0-9]{1,3}(\.[0-9]{1,12})?|\.[0-9]{1,12})%$"), AfterValidator(_share)
]
Count = Annotated[int, Field(ge=1, le=INT32_MAX)]
IterationsOrPercent = Annotated[
    Count | Percent,
    must_be("a number of iterations, 1 or more, or a share of the run above 0%, such as 33%"),
]
"""A number of iterations, or a share of the run such as `33%`."""
Off = Literal[False]
"""Switches a guard off, as 0 does. (YAML's `off` is false to kubectl, and a word to YAML 1.2.)"""

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False), AfterValidator(_without_sign)]
Number = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_without_sign)]
Momentum = Annotated[float, Field(ge=0, lt=1, allow_inf_nan=False), AfterValidator(_without_sign)]
Split = Annotated[
    float, Field(gt=0, lt=1, allow_inf_nan=False), must_be("a share above 0 and below 1, such as 0.25")
]
Accuracy = Annotated[
    float,
    Field(ge=0, le=1, allow_inf_nan=False),
    AfterValidator(_without_sign),
    must_be("a share from 0 to 1, such as 0.8"),
]
Channels = Annotated[list[Number], Field(min_length=1)]
Auto = Literal["auto"]


def iterations(value: int | str, max_iter: int) -> int:
    """Turn a count or a share of the run into iterations: at least 1, a share rounded up."""
    if isinstance(value, int):
        return value
    return max(1, math.ceil(Decimal(value[:-1]) * max_iter / 100))
