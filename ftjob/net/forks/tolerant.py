"""Parse prototxts of Caffe's forks: known fields that Caffe 1.0 lacks are cut out, others refused."""

import re
from dataclasses import dataclass, field
from functools import cached_property

from google.protobuf import text_format
from google.protobuf.message import Message

from ftjob.errors import BadNetError
from ftjob.net.forks.dialects import TYPES, ForkField, fork_field
from ftjob.net.forks.places import Place, blank_comments, places
from ftjob.net.legacy.forms import mixed_form
from ftjob.net.proto import caffe_pb2
from ftjob.suggest import closest, did_you_mean

LARGEST = 4 * 2**20
"""Bytes of a prototxt that is read; one of ResNet-1202 has about 1 MB."""
_PACKAGE = f"{caffe_pb2.DESCRIPTOR.package}."
_MESSAGES = {message.full_name: message for message in caffe_pb2.DESCRIPTOR.message_types_by_name.values()}
_UNKNOWN_FIELD = re.compile(r'Message type "([\w.]+)" has no field named "([^"]*)"')
_UNKNOWN_VALUE = re.compile(r'Enum type "([\w.]+)" has no value named (\S+?)\.?$')
_NO_NAME = "Expected identifier or number, got "
_NO_FIELD = re.compile(r"\w+(?!\w|\s*[:{<])")
_LAYERS = ("layer", "layers")
_MOST_WORDS = 300
"""Characters of protobuf's message, which quotes the text."""
_STRAY = re.compile("[\ud800-\udfff]")
_MOST_KINDS = 50
"""Kinds of unknown fields in one prototxt; with more it is no dialect but another format."""
_MOST_PARSED = 2 * LARGEST
"""Bytes, over all rounds: each kind of unknown fields takes one."""


def too_large(size: int) -> str:
    """Return the complaint about a prototxt that is too large."""
    return (
        f"has {size:,} bytes, and a prototxt of at most {LARGEST:,} is read: weights belong into a "
        ".caffemodel (base.weights)"
    )


@dataclass
class Prototxt:
    """A prototxt's text, and its name in messages."""

    text: str
    """Comments may hold bytes that are not UTF-8, as lone surrogates (errors="surrogateescape")."""
    name: str
    _places: list[Place] = field(default_factory=list)

    def __post_init__(self) -> None:
        if len(self.text) > LARGEST:
            raise BadNetError(f"{self.name}: {too_large(len(self.text))}")
        self.text = self.text.removeprefix("\ufeff")
        if _STRAY.search(self.text):
            self.text = blank_comments(self.text)
        if stray := _STRAY.search(self.text):
            line = self.text.count("\n", 0, stray.start()) + 1
            raise BadNetError(f"{self.name}:{line}: is no text in UTF-8")

    @property
    def places(self) -> list[Place]:
        """All its fields; scanned on first use."""
        if not self._places:
            self._places = places(self.text)
        return self._places

    @cached_property
    def _own_fields(self) -> dict[tuple[int, str], Place]:
        """The first field of each name that every layer has."""
        found: dict[tuple[int, str], Place] = {}
        for place in self.places:
            if place.in_layer and len(place.path) == 2:
                found.setdefault((place.layer, place.path[1]), place)
        return found

    @cached_property
    def _lines(self) -> dict[str, int]:
        """The line where each layer's name first appears."""
        lines: dict[str, int] = {}
        for (_, name), place in self._own_fields.items():
            if name == "name":
                lines.setdefault(place.value, place.line)
        return lines

    def layer_field(self, layer: int, name: str) -> Place | None:
        """Return a field of a layer, counted from 0 in the text; None where it has none of that name."""
        return self._own_fields.get((layer, name))

    def value(self, layer: int, name: str) -> str:
        place = self.layer_field(layer, name)
        return place.value if place else ""

    def line_of(self, layer: str) -> int:
        """Return the line of a layer's name; 1 where the text does not have it."""
        return self._lines.get(layer, 1)

    def offset(self, line: int, column: int) -> int:
        """Return where a line and column, counted from 1, are in the text."""
        starts = [0, *(match.end() for match in re.finditer("\n", self.text))]
        return starts[min(line, len(starts)) - 1] + column - 1

    def at(self, line: int, column: int) -> Place | None:
        """Return the innermost field at a line and column."""
        offset = self.offset(line, column)
        around = [place for place in self.places if place.start <= offset < place.end]
        return min(around, key=lambda place: place.end - place.start, default=None)


@dataclass(frozen=True)
class Excused:
    """A field that was cut out, and what is known of it."""

    place: Place
    field: ForkField


def parse(source: Prototxt, message: Message) -> None:
    """Fill a message from its text. Raises BadNetError, with line and column, where that cannot be."""
    try:
        text_format.Parse(source.text, message)
    except text_format.ParseError as error:
        raise _bad_net(error, source) from None


def parse_excusing(source: Prototxt, message: Message) -> list[Excused]:
    """Fill a message from its text but for fields of forks, which are returned in the order of the text.

    Raises BadNetError, with line and column, for anything else that does not parse.
    """
    excused: list[Excused] = []
    text = source.text
    most = max(2, min(_MOST_KINDS, _MOST_PARSED // max(1, len(text))))
    for _ in range(most):
        try:
            text_format.Parse(text, message)
        except text_format.ParseError as error:
            found = _excuses(error, source)
            if not found:
                raise _bad_net(error, source) from None
            excused += found
            text = _cut(text, found)
            message.Clear()
        else:
            return sorted(excused, key=lambda each: each.place.start)
    raise BadNetError(f"{source.name}: has {most} or more kinds of fields that Caffe does not know")


def _excuses(error: text_format.ParseError, source: Prototxt) -> list[Excused]:
    """All fields like the one where the parser stopped; none where no fork that we know has it."""
    if not (_UNKNOWN_FIELD.search(str(error)) or _UNKNOWN_VALUE.search(str(error))):
        return []
    stopped = source.at(error.GetLine() or 1, error.GetColumn() or 1)
    if stopped is None:
        return []
    is_value = bool(_UNKNOWN_VALUE.search(str(error)))
    alike = [
        place
        for place in source.places
        if place.path == stopped.path and (not is_value or place.value == stopped.value)
    ]
    found = []
    for place in alike:
        known = fork_field(place, source.value(place.layer, "type"))
        if known:
            found.append(Excused(place, known))
        elif place is stopped:
            return []
    return found


def _cut(text: str, found: list[Excused]) -> str:
    """Blank fields out, leaving every line and column where it was."""
    pieces = []
    end = 0
    for each in sorted(found, key=lambda each: each.place.start):
        if each.place.start >= end:
            pieces += [
                text[end : each.place.start],
                re.sub(r"[^\n]", " ", text[each.place.start : each.place.end]),
            ]
            end = each.place.end
    return "".join([*pieces, text[end:]])


def _bad_net(error: text_format.ParseError, source: Prototxt) -> BadNetError:
    places_of = [source.name, error.GetLine(), error.GetColumn()]
    where = ":".join(str(part) for part in places_of if part is not None)
    stop = error.GetLine() or 1, error.GetColumn() or 1
    stopped = source.at(*stop)
    meant = _slip(str(error), source.text[source.offset(*stop) :])
    if stopped and not meant:
        meant = _unclosed(stopped, source) or mixed_form(stopped, source.places)
    return BadNetError(f"{where}: {meant or _reason(error)}")


def _slip(error: str, rest: str) -> str:
    """Return which sign is missing or too many where the parser stopped, if the text from there shows it."""
    word = _NO_FIELD.match(rest)
    if word and _UNKNOWN_FIELD.search(error):
        return f"{word[0]} stands where a field is expected: a quote is missing before it"
    if _NO_NAME in error:
        return {
            "}": "this } closes nothing: take it out, or write the { that is missing before it",
            "/": "a comment begins with #, not with /",
        }.get(rest[:1], "")
    return ""


def _unclosed(stopped: Place, source: Prototxt) -> str:
    """Return what is not closed before a layer that stands inside another one."""
    *around, name = stopped.path
    if name not in _LAYERS or not around:
        return ""
    layer = f'layer "{source.value(stopped.layer, "name")}"'
    still = layer if around[-1] in _LAYERS else f"{around[-1]} of {layer}"
    return f"a }} is missing before this {name}: {still} is not closed"


def _reason(error: text_format.ParseError) -> str:
    """Protobuf's complaint, reworded for users."""
    text = re.sub(r"^\d+:\d+ : ", "", str(error))
    if match := _UNKNOWN_FIELD.search(text):
        message, name = match.groups()
        meant = did_you_mean(name, _field_names(message)) or ", over which Caffe 1.0 ends; take it out"
        return f"{_short(message)} has no field {name}{meant}"
    if match := _UNKNOWN_VALUE.search(text):
        enum, value = match.groups()
        if (word := value.strip("\"'")) != value and word in _value_names(enum):
            return f"{_short(enum)} takes words without quotes: write {word}"
        return f"{_short(enum)} has no value {value}{_meant(enum, value)}"
    words = re.sub(r"^'.*': ", "", text, flags=re.DOTALL).replace(_PACKAGE, "").rstrip(".")
    return words if len(words) <= _MOST_WORDS else f"{words[:_MOST_WORDS]} …"


def _meant(enum: str, value: str) -> str:
    fork = closest(value.replace("_", ""), TYPES) if enum.endswith("LayerType") else None
    if fork and fork.lower() == value.replace("_", "").lower():
        return f": it {TYPES[fork].refusal}"
    return did_you_mean(value, _value_names(enum))


def _short(full_name: str) -> str:
    return full_name.removeprefix(_PACKAGE)


def _field_names(message: str) -> list[str]:
    return list(_MESSAGES[message].fields_by_name)


def _value_names(enum: str) -> list[str]:
    owner, _, name = enum.rpartition(".")
    if owner in _MESSAGES:
        return list(_MESSAGES[owner].enum_types_by_name[name].values_by_name)
    return list(caffe_pb2.DESCRIPTOR.enum_types_by_name[name].values_by_name)
