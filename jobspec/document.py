"""YAML text to plain values, each with its line. Types are YAML 1.2's: `no` is a word, 1e-3 a number."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.reader import Reader

from jobspec.problems import Mark, Problem, SpecError, dotted
from jobspec.yamlerrors import explain_yaml_error

Path = tuple[str | int, ...]

MAX_VALUES = 10_000
"""More than any spec needs; nested aliases can make any number of values in a few lines."""
MAX_DEPTH = 50
MAX_DIGITS = 100

_TAG = "tag:yaml.org,2002:"
# https://yaml.org/spec/1.2.2, section 10.3.2; `<<` is YAML 1.1's merge key, which is still in use.
_CORE_TYPES = {
    "null": (r"~|null|Null|NULL|", "~nN\0"),
    "bool": (r"true|True|TRUE|false|False|FALSE", "tTfF"),
    "int": (r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", "-+0123456789"),
    "float": (
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    "merge": (r"<<", "<"),
}


class _CoreLoader(yaml.SafeLoader):
    """PyYAML's parser with the types of YAML 1.2 in place of those of YAML 1.1."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML's attribute)

    def fetch_flow_collection_start(self, kind: type[yaml.Token]) -> None:
        """Begin a list or mapping in brackets. Raises RecursionError where it is within far too many: PyYAML
        looks at all of them for every token, which takes seconds until Python's own limit."""
        if self.flow_level > 4 * MAX_DEPTH:
            raise RecursionError
        super().fetch_flow_collection_start(kind)


for _name, (_pattern, _first) in _CORE_TYPES.items():
    _letters = ["" if letter == "\0" else letter for letter in _first]
    _CoreLoader.add_implicit_resolver(_TAG + _name, re.compile(rf"^(?:{_pattern})\Z"), _letters)


@dataclass(frozen=True)
class Document:
    """Plain values, and the place of each in the text."""

    value: Any
    marks: Mapping[Path, Mark]

    def mark(self, path: Path) -> Mark | None:
        """Return the place of a field, or of the nearest one around it; none for the document itself."""
        while path and path not in self.marks:
            path = path[:-1]
        return self.marks.get(path)


def implicit_type(text: str) -> str:
    """Return what a word without quotes is read as: null, bool, int, float, merge or str."""
    for name, (pattern, _) in _CORE_TYPES.items():
        if re.fullmatch(pattern, text):
            return name
    return "str"


def read_document(text: str, source: str) -> Document:
    """Read one YAML document. Raises SpecError, with the line of each problem, if it is not one."""
    reading = _Reading()
    node = compose(text, source)
    try:
        value = reading.value(node, ()) if node else None
    except _TooMuchError as error:
        reading.problems.append(error.problem)
    if reading.problems:
        raise SpecError(source, reading.problems)
    return Document(value, reading.marks)


def compose(text: str, source: str) -> Node | None:
    """Return the nodes of one YAML document, None of an empty one. Raises SpecError."""
    unprintable = Reader.NON_PRINTABLE.search(text)
    if unprintable:
        before = text[: unprintable.start()]
        message = f"the character U+{ord(unprintable[0]):04X} is not allowed in YAML; remove it"
        column = len(before) - before.rfind("\n")
        raise SpecError(source, [Problem("", message, before.count("\n") + 1, column)])
    try:
        return yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        raise SpecError(source, [explain_yaml_error(error)]) from None
    except RecursionError:
        raise SpecError(source, [Problem("", "is nested too deeply to be a spec")]) from None


class _TooMuchError(Exception):
    """More than a spec can hold: reading stops here, before nested aliases fill the memory."""

    def __init__(self, node: Node) -> None:
        message = f"has more than {MAX_VALUES} values or {MAX_DEPTH} levels, which no spec has"
        self.problem = Problem("", message, *_place(node))


@dataclass
class _Reading:
    """One pass over a document's nodes that collects marks and problems."""

    marks: dict[Path, Mark] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    values: int = 0

    def value(self, node: Node, path: Path) -> Any:
        self._count(node, len(path))
        if isinstance(node, ScalarNode):
            return self._scalar(node, path)
        if node.tag not in (_TAG + "map", _TAG + "seq"):
            return self._refuse_tag(node, path)
        if isinstance(node, MappingNode):
            return self._mapping(node, path)
        return [self._item(item, (*path, index)) for index, item in enumerate(node.value)]

    def _item(self, node: Node, path: Path) -> Any:
        self.marks[path] = Mark(*_place(node))
        return self.value(node, path)

    def _mapping(self, node: MappingNode, path: Path) -> dict[str, Any]:
        read = {}
        for name, (key, value) in self._fields(node, path).items():
            self.marks[*path, name] = Mark(*_place(key))
            read[name] = self.value(value, (*path, name))
        return read

    def _fields(self, node: MappingNode, path: Path, depth: int = 0) -> dict[str, tuple[Node, Node]]:
        """Return keys and values by name: a mapping's own, then those it merges, the first merged first."""
        own: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            self._count(key, depth)
            if not isinstance(key, ScalarNode):
                self._problem(key, path, "a field's name must be a word, not a list or mapping")
            elif key.tag == _TAG + "merge":
                for part in self._merge_parts(value, path, depth):
                    merged = self._fields(part, path, depth + 1) | merged
            elif key.value in own:
                line, _ = _place(own[key.value][0])
                self._problem(
                    key, (*path, key.value), f"appears twice, in line {line} and here; remove one of them"
                )
            else:
                own[key.value] = (key, value)
        return merged | own

    def _merge_parts(self, node: Node, path: Path, depth: int) -> Iterator[MappingNode]:
        for part in node.value if isinstance(node, SequenceNode) else [node]:
            self._count(node, depth)
            if isinstance(part, MappingNode):
                yield part
            else:
                self._problem(
                    part, path, "<< merges mappings only; give it the *NAME of a mapping with an anchor"
                )

    def _scalar(self, node: ScalarNode, path: Path) -> Any:
        name, text = node.tag.removeprefix(_TAG), node.value
        if name == "str":
            return _joined(text)
        if name != implicit_type(text) or name == "merge":
            return self._refuse_tag(node, path)
        if name == "null":
            return None
        if name == "bool":
            return text.lower() == "true"
        if len(text) > MAX_DIGITS:
            return self._problem(node, path, "is a number with more digits than a spec can hold")
        return _integer(text) if name == "int" else float(re.sub(r"(?i)\.(?=inf|nan)", "", text))

    def _refuse_tag(self, node: Node, path: Path) -> None:
        tag = node.tag.replace(_TAG, "!!")
        self._problem(node, path, f"the tag {tag} cannot be used; write plain values")

    def _problem(self, node: Node, path: Path, message: str) -> None:
        self.problems.append(Problem(dotted(path), message, *_place(node)))

    def _count(self, node: Node, depth: int) -> None:
        self.values += 1
        if self.values > MAX_VALUES or depth > MAX_DEPTH:
            raise _TooMuchError(node)


def _joined(text: str) -> str:
    """Join surrogate pairs, which JSON escapes as two halves; a lone half stays and is refused as text."""
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        return text


def _integer(text: str) -> int:
    return int(text, 0) if text.startswith(("0o", "0x")) else int(text)


def _place(node: Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
