"""What was made: datasets, bundles that were verified."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification
    from ftjob.data.build import Manifest


def built(manifest: "Manifest", out: str) -> RenderableType:
    """Say what a dataset holds."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("LABEL", "CLASS", "TRAIN", "VAL"):
        table.add_column(heading, justify="left" if heading == "CLASS" else "right")
    counts = [manifest.splits[split].histogram for split in ("train", "val") if split in manifest.splits]
    for label, name in enumerate(manifest.labels):
        table.add_row(str(label), name, *(str(histogram[label]) for histogram in counts))
    return Group(table, Text(out))


def verified(verification: "Verification") -> Text:
    """Say whether a bundle answers the same."""
    what = f"{verification.same_answers} of {verification.images} golden images answered the same"
    close = f"largest difference between scores {verification.largest_difference:.1e} of the largest score"
    return Text(f"{what}; {close}", "green" if verification.ok else "red")
