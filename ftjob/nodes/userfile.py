"""Writes prices into a user's nodes file and leaves its other fields and comments as they are."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from ftjob.errors import BadSpecError
from ftjob.fs import files
from ftjob.nodes.profiles import Price, parse_nodes, read_file


def write_prices(path: Path, prices: Mapping[str, Price]) -> None:
    """Set prices of profiles in a nodes file, which need not exist.

    Raises BadSpecError where the file is one that cannot be edited so, StorageError where it cannot be
    written; nothing is changed then.
    """
    before = read_file(path) if path.exists() else ""
    try:
        after = before
        for name, price in prices.items():
            after = with_price(after, name, price)
        written = {name: node.price for name, node in parse_nodes(after, str(path)).items()}
    except (yaml.YAMLError, BadSpecError):
        written = {}
    if any(written.get(name) != price for name, price in prices.items()):
        raise BadSpecError(f"{path}: prices cannot be written into it as it is laid out: write them yourself")
    if after != before:
        files.write_text(path, after)


def with_price(text: str, name: str, price: Price) -> str:
    """Return the text of a nodes file in which a profile has a price."""
    mapping = _flow(price)
    profile = _value(yaml.compose(text), name)
    if profile is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return f"{text}{gap}{name}:\n  price: {mapping}\n"
    present = _value(profile, "price")
    if present is not None:
        begin, end = present.start_mark.index, present.end_mark.index
        tail = text[begin:end]
        return text[:begin] + mapping + tail[len(tail.rstrip()) :] + text[end:]
    begin = profile.start_mark.index
    if getattr(profile, "flow_style", False):
        return f"{text[: begin + 1]}price: {mapping}, {text[begin + 1 :]}"
    return f"{text[:begin]}price: {mapping}\n{' ' * profile.start_mark.column}{text[begin:]}"


def _value(node: yaml.Node | None, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _flow(price: Price) -> str:
    spot = "" if price.spot is None else f", spot: {price.spot!r}"
    return f"{{on_demand: {price.on_demand!r}{spot}}}"
