"""The annotated scalars a spec is made of, each with the wording of its errors."""

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
    WithJsonSchema,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from jobspec.grammar import (
    ALIAS_NAME,
    ALIAS_REFERENCE,
    ITERATION,
    KNOWN_NAME,
    KNOWN_REFERENCE,
    LOCATION_PATTERN,
    LONGEST_LOCATION,
    PROMOTION,
    REFERENCES,
    RUN_NAME,
    RUN_REFERENCE,
    GrammarError,
    check_location,
    location_pattern,
)
from jobspec.pinned import either, is_web, name_of, parse_pinned, pinned_pattern
from jobspec.problems import one_line

INT32_MAX = 2**31 - 1
"""The largest count that Caffe's int32 fields hold."""
FLOAT_MAX = 3.4e38
"""The largest number that Caffe's floats hold."""
LONGEST_NAME = 255
"""Characters in a layer's or a class's name."""
MOST_CLASSES = 1_000_000
MOST_LAYERS = 1000
"""Names in one list; a net of a thousand layers needs a `*`."""
LONGEST_SIDE = 16_384
"""Pixels."""
MOST_IMAGES = 1_000_000
"""The most images in a batch, and the most passes in an iteration."""
MEAN_SUFFIX = ".binaryproto"
_RUN = re.compile(f"{RUN_REFERENCE}{RUN_NAME}")
_RUN_SNAPSHOT = re.compile(f"{_RUN.pattern}(?:@{ITERATION})?")
_ALIAS = re.compile(f"{ALIAS_REFERENCE}{ALIAS_NAME}(?:@{PROMOTION})?")
_KNOWN = re.compile(f"{KNOWN_REFERENCE}{KNOWN_NAME}")


def mistake(sentence: str, field: str | None = None) -> PydanticCustomError:
    """Make an error whose text is shown unchanged, at a field of the model being checked."""
    return PydanticCustomError("sentence", "{sentence}", {"sentence": sentence, "field": field})


def must_be(words: str, *choices: str) -> WrapValidator:
    """Report any wrong value with one sentence, "must be <words>", however many types the field accepts.

    `choices` are the literal words the field accepts, for did-you-mean.
    """

    def check(value: Any, inner: ValidatorFunctionWrapHandler) -> Any:
        try:
            return inner(value)
        except ValidationError as error:
            for details in error.errors():
                if details["type"] == "sentence":
                    raise mistake(**details["ctx"]) from None
            raise PydanticCustomError(
                "must_be", "must be {words}", {"words": words, "choices": choices}
            ) from None

    return WrapValidator(check)


def _without_sign(value: float) -> float:
    return value + 0.0  # -0.0 becomes 0.0, so that equal specs have equal digests


def _location(text: str) -> str:
    if text.startswith(REFERENCES):
        raise ValueError("must be a path or URI; only base.weights and accept.not_below can name a run")
    if text.startswith(KNOWN_REFERENCE):
        raise ValueError("must be a path or URI; only base.weights can name published weights")
    return _path_or_uri(text)


def _file(text: str) -> str:
    return _pinned(text) if is_web(text) else _location(text)


def _pinned(text: str) -> str:
    try:
        parse_pinned(text)
    except GrammarError as error:
        raise mistake(str(error)) from None
    return text


def _weights(text: str) -> str:
    if text.startswith(KNOWN_REFERENCE):
        if not _KNOWN.fullmatch(text):
            raise ValueError("must be a name of published weights, such as known:bvlc_googlenet")
        return text
    if not text.startswith(REFERENCES):
        return _file(text)
    if not _RUN_SNAPSHOT.fullmatch(text) and not _ALIAS.fullmatch(text):
        raise ValueError("must be a run's snapshot, as run:NAME or run:NAME@ITERATION, or alias:NAME")
    return text


def _baseline(text: str) -> str:
    if not text.startswith((*REFERENCES, KNOWN_REFERENCE)):
        return _path_or_uri(text)
    if not _RUN.fullmatch(text) and not _ALIAS.fullmatch(text):
        raise ValueError("must be a run, as run:NAME, alias:NAME, or the path or URI of a run's folder")
    return text


def _path_or_uri(text: str) -> str:
    try:
        return check_location(text)
    except GrammarError as error:
        raise mistake(str(error)) from None


def _mean_file(text: str) -> str:
    if not name_of(_file(text)).endswith(MEAN_SUFFIX):
        raise ValueError(f"must end in {MEAN_SUFFIX}")
    return text


def _printable(text: str) -> str:
    if not text.isprintable():
        raise mistake(f"contains an invisible character ({one_line(text)}); remove it")
    return text


def _share(text: str) -> str:
    share = Decimal(text[:-1])
    if not 0 < share <= 100:
        raise ValueError("out of range")
    return f"{share.normalize():f}%"


_Place = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_LOCATION)]


def _pattern(pattern: str) -> Any:
    """Return an annotation that puts a pattern into the schema only; a function does the checking."""
    return WithJsonSchema(
        {"type": "string", "minLength": 1, "maxLength": LONGEST_LOCATION, "pattern": pattern}
    )


Location = Annotated[_Place, AfterValidator(_location), _pattern(LOCATION_PATTERN)]
"""A path, or a URI such as `s3://bucket/key`."""
_FILE_PATTERN = either(LOCATION_PATTERN, pinned_pattern())
File = Annotated[_Place, AfterValidator(_file), _pattern(_FILE_PATTERN)]
"""A path, a URI, or a file on the web with its digest: `https://HOST/PATH#sha256=…`."""
Weights = Annotated[
    _Place,
    AfterValidator(_weights),
    _pattern(_FILE_PATTERN),
    must_be("a caffemodel's path or URI, run:NAME, run:NAME@ITERATION, alias:NAME or known:NAME"),
]
"""A file, a run's snapshot as `run:NAME[@ITERATION]`, a promoted run as `alias:NAME[@NUMBER]`, or published
weights as `known:NAME`."""
Baseline = Annotated[_Place, AfterValidator(_baseline), _pattern(LOCATION_PATTERN)]
"""A run, as `run:NAME`, `alias:NAME[@NUMBER]` or the path or URI of its folder."""
PinnedAlias = Annotated[
    str,
    StringConstraints(pattern=f"^{ALIAS_REFERENCE}{ALIAS_NAME}@{PROMOTION}$", max_length=76),
    must_be("a promotion, as alias:NAME@NUMBER; ftjob writes it"),
]
MeanFile = Annotated[
    _Place,
    AfterValidator(_mean_file),
    _pattern(either(location_pattern(MEAN_SUFFIX), pinned_pattern(MEAN_SUFFIX))),
]

DnsLabel = Annotated[
    str,
    StringConstraints(pattern=f"^{RUN_NAME}$", max_length=40),
    must_be("1 to 40 lower-case letters, digits and dashes, beginning and ending with a letter or digit"),
]
NodeName = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?$", max_length=63),
    must_be("the name of a node profile, such as local or p2.xlarge"),
]

LayerName = Annotated[
    str, StringConstraints(min_length=1, max_length=LONGEST_NAME), AfterValidator(_printable)
]
LayerGlob = LayerName
"""A layer's name; `*` and `?` match as in a shell."""
LayerGlobs = Annotated[list[LayerGlob], Field(max_length=MOST_LAYERS)]

Percent = Annotated[
    str,
    StringConstraints(pattern=r"^([0-9]{1,3}(\.[0-9]{1,12})?|\.[0-9]{1,12})%$", max_length=17),
    AfterValidator(_share),
]
Count = Annotated[int, Field(ge=1, le=INT32_MAX)]
Side = Annotated[int, Field(ge=1, le=LONGEST_SIDE)]
Images = Annotated[int, Field(ge=1, le=MOST_IMAGES)]
IterationsOrPercent = Annotated[
    Count | Percent,
    must_be("a number of iterations, 1 or more, or a share of the run above 0%, such as 33%"),
]
"""A number of iterations, or a share of the run such as `33%`."""
Off = Literal[False]
"""Switches a guard off, as 0 does. (YAML's `off` is false to kubectl, and a word to YAML 1.2.)"""

Positive = Annotated[float, Field(gt=0, le=FLOAT_MAX, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, le=FLOAT_MAX, allow_inf_nan=False), AfterValidator(_without_sign)]
Dollars = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Hours = Annotated[float, Field(gt=0, le=1e5, allow_inf_nan=False)]
"""Up to eleven years."""
Minutes = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Epochs = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
Number = Annotated[
    float, Field(ge=-FLOAT_MAX, le=FLOAT_MAX, allow_inf_nan=False), AfterValidator(_without_sign)
]
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
Margin = Annotated[
    float,
    Field(ge=-1, le=1, allow_inf_nan=False),
    AfterValidator(_without_sign),
    must_be("a share from -1 to 1, such as 0.01"),
]
Channels = Annotated[list[Number], Field(min_length=1, max_length=1024)]
Auto = Literal["auto"]


def iterations(value: int | str, max_iter: int) -> int:
    """Turn a count or a share of the run into iterations: at least 1, a share rounded up."""
    if isinstance(value, int):
        return value
    return max(1, math.ceil(Decimal(value[:-1]) * max_iter / 100))
