"""Changes fields in a spec's text, and leaves the rest of it, comments too, as its author wrote it."""

import copy
import json
from collections.abc import Mapping
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from jobspec.document import Path, compose, read_document
from jobspec.dump import flow, plain_yaml
from jobspec.problems import SpecError

GONE = object()
"""In place of a value: the field shall not be there."""


def edited(text: str, changes: Mapping[Path, Any]) -> str:
    """Return a document's text with other values in some fields; GONE takes a field out.

    A section that is not there is added, one that has no field left is taken out. What cannot be changed in
    place, such as a field behind an alias, makes a new text of the same values, without comments. Raises
    SpecError for a text that is no YAML or holds no fields.
    """
    values = fields_of(text)
    for path, value in changes.items():
        if value is GONE and not _is_there(values, path):
            continue
        wanted = _with(values, path, value)
        if not _same(wanted, values):
            text, values = _written(text, path, value, wanted), wanted
    return text


def fields_of(text: str) -> dict[str, Any]:
    """Return the plain values of a document of fields; none of an empty one. Raises SpecError."""
    value = read_document(text, "spec").value
    return value if isinstance(value, dict) else {}


def _is_there(values: Any, path: Path) -> bool:
    for part in path:
        if not isinstance(values, dict) or part not in values:
            return False
        values = values[part]
    return True


def _with(values: Mapping[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """Return values with one of them changed."""
    first, *rest = path
    result = dict(values)
    if rest:
        inner = values.get(str(first))
        value = _with(inner if isinstance(inner, dict) else {}, tuple(rest), value) or GONE
    if value is GONE:
        result.pop(str(first), None)
    else:
        result[str(first)] = copy.deepcopy(value)
    return result


def _same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    """Return whether values are the same, and of the same types: 1 is neither 1.0 nor true."""
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _written(text: str, path: Path, value: Any, wanted: dict[str, Any]) -> str:
    """Return the text with a field changed in place where that gives the wanted values, else a new text."""
    try:
        root = compose(text, "spec")
        if isinstance(root, MappingNode) and root.value:
            changed = _removed(text, root, path) if value is GONE else _put(text, root, path, value)
            if _same(fields_of(changed), wanted):
                return changed
    except (SpecError, ValueError):
        pass  # the change in place made no YAML, or the field is merged from elsewhere
    return plain_yaml(wanted)


def _put(text: str, root: MappingNode, path: Path, value: Any) -> str:
    node = root
    for depth, part in enumerate(path):
        held = _value(node, part)
        rest = _nested(path[depth + 1 :], value)
        if held is None:
            return _inserted(text, node, f"{part}: {flow(rest)}")
        if not isinstance(held, MappingNode) or not held.value or depth == len(path) - 1:
            return _replaced(text, held, flow(rest))
        node = held
    raise AssertionError("the last field of a path is put")


def _nested(path: Path, value: Any) -> Any:
    for part in reversed(path):
        value = {part: value}
    return value


def _value(node: MappingNode, name: str | int) -> Node | None:
    return next((value for key, value in node.value if key.value == name), None)


def _replaced(text: str, held: Node, written: str) -> str:
    start, end = held.start_mark.index, _end(held)
    blank = " " if text[start - 1 : start] == ":" else ""
    return f"{text[:start]}{blank}{written}{text[end:]}"


def _inserted(text: str, node: MappingNode, field: str) -> str:
    """Return the text with a field after the last one of a mapping."""
    end = _end(node)
    if node.flow_style:
        return f"{text[: end - 1].rstrip()}, {field}{text[end - 1 :]}"
    line = _line_end(text, end)
    indent = " " * node.value[0][0].start_mark.column
    broken = "" if text[:line].endswith("\n") else "\n"
    return f"{text[:line]}{broken}{indent}{field}\n{text[line:]}"


def _removed(text: str, root: MappingNode, path: Path) -> str:
    """Return the text without a field, and without a section that would be empty."""
    nodes = [root]
    for part in path[:-1]:
        held = _value(nodes[-1], part)
        if not isinstance(held, MappingNode):
            break
        nodes.append(held)
    while len(nodes) > 1 and len(nodes[-1].value) == 1:
        nodes.pop()
    node, name = nodes[-1], path[len(nodes) - 1]
    number = [key.value for key, _ in node.value].index(name)
    key, value = node.value[number]
    start, end = key.start_mark.index, _end(value)
    if not node.flow_style:
        return text[: start - key.start_mark.column] + text[_line_end(text, end) :]
    if number:
        return text[: _end(node.value[number - 1][1])] + text[end:]
    after = node.value[1][0].start_mark.index if len(node.value) > 1 else end
    return text[:start] + text[after:]


def _end(node: Node) -> int:
    """Return where a node's own text ends: PyYAML counts what follows a block as its part."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    if isinstance(node, ScalarNode) and node.style in ("|", ">"):
        return end - 1
    return end


def _line_end(text: str, index: int) -> int:
    """Return where the line after an index begins."""
    end = text.find("\n", index)
    return len(text) if end < 0 else end + 1


def value_of(text: str) -> Any:
    """Return the plain value that text in one line stands for in YAML; what is no YAML is text."""
    try:
        return read_document(f"value: {text}\n", "value").value["value"]
    except (SpecError, TypeError, KeyError, yaml.YAMLError):
        return text
