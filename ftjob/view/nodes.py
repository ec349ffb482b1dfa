"""Node profiles, for people."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ftjob.nodes import Node


def nodes_table(nodes: "Iterable[Node]") -> Table:
    """Return `ftjob nodes`' table, one profile a row."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("NAME", no_wrap=True)
    table.add_column("GPU", overflow="fold")
    for heading in ("GIB", "TFLOP/S", "GB/S", "$/H", "SPOT $/H"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("ENGINES", no_wrap=True)
    for node in nodes:
        spot = node.price.spot
        cells = (
            node.name,
            node.gpu,
            "–" if node.gpu_memory_gib is None else f"{node.gpu_memory_gib:g}",
            f"{node.teraflops:g}",
            f"{node.gigabytes_per_second:g}",
            f"{node.price.on_demand:g}",
            "–" if spot is None else f"{spot:g}",
            "caffe, torch" if node.runs_caffe else "torch",
        )
        table.add_row(*map(Text, cells))  # as it stands: a user's words are no markup
    return table
