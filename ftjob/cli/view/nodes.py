"""Node profiles, for people."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ftjob.cli.view.markup import Text

if TYPE_CHECKING:
    from ftjob.nodes.prices import LivePrices
    from ftjob.nodes.profiles import Node, Price


def nodes_table(nodes: "Iterable[Node]", live: "LivePrices | None" = None) -> Table:
    """Return `ftjob nodes`' table, one profile a row, with EC2's current price where it was requested."""
    table = Table(box=None, pad_edge=False, header_style="bold", caption_justify="left")
    table.add_column("NAME", no_wrap=True)
    table.add_column("GPU", overflow="fold")
    for heading in ("GIB", "TFLOP/S", "GB/S", "$/H", "SPOT $/H"):
        table.add_column(heading, justify="right", no_wrap=True)
    for heading in ("LIVE $/H", "LIVE SPOT") if live else ():
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ENGINES", no_wrap=True)
    for node in nodes:
        cells = (
            node.name,
            f"{node.gpus} × {node.gpu}" if node.gpus > 1 else node.gpu,
            "–" if node.gpu_memory_gib is None else f"{node.gpu_memory_gib:g}",
            f"{node.teraflops:g}",
            f"{node.gigabytes_per_second:g}",
            _usd(node.price.on_demand),
            _usd(node.price.spot),
            *(_live(node, live) if live else ()),
            "caffe, torch" if node.runs_caffe else "torch",
        )
        table.add_row(*map(Text, cells))  # as it stands: a user's words are no markup
    if live and live.prices:
        table.caption = Text(f"EC2 in {live.region}, {_when(live)}; spot in its cheapest zone", "dim")
    return table


def nodes_json(nodes: "Iterable[Node]", live: "LivePrices | None" = None) -> list[dict[str, Any]]:
    """Return `ftjob nodes -o json`; `live` is present where requested, null where there is no price."""
    rows = []
    for node in nodes:
        row = node.model_dump(mode="json")
        if live:
            price = live.of(node)
            about = {"region": live.region, "when": live.when}
            row["live"] = {**price.model_dump(mode="json"), **about} if price else None
        rows.append(row)
    return rows


def written(nodes: "Iterable[Node]", changed: "Mapping[str, Price]") -> Text:
    """Return which prices changed, and what they were."""
    before = {node.name: node.price for node in nodes}
    lines = [f"{name}: {_both(before[name])} → {_both(price)}" for name, price in changed.items()]
    return Text("\n".join(lines) or "your nodes file has these prices already")


def _live(node: "Node", live: "LivePrices") -> tuple[str, str]:
    found = live.of(node)
    if found is None:
        return "–", "–"
    zone = f" {found.zone.removeprefix(live.region)}" if found.spot else ""
    return _usd(found.on_demand), f"{_usd(found.spot)}{zone}"


def _both(price: "Price") -> str:
    return f"${_usd(price.on_demand)}" + (f", spot ${_usd(price.spot)}" if price.spot is not None else "")


def _usd(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _when(live: "LivePrices") -> str:
    return datetime.fromtimestamp(live.when, UTC).strftime("%Y-%m-%d %H:%M UTC")
