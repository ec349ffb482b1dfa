"""What was made: plans, datasets, bundles that were verified."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from ftjob.bundle.verify import Verification
    from ftjob.data.build import Manifest
    from ftjob.plan.plan import Plan


def plan_view(plan: "Plan") -> RenderableType:
    """Return the few lines of a plan that matter before a run starts."""
    spec, train, val = plan.spec, plan.inputs.train, plan.inputs.val
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    source = f" ← {spec.base.weights}" if spec.base.weights else " from scratch"
    table.add_row("net", f"{spec.base.net}{source}")
    table.add_row(
        "data", f"{train.records} images to train on, {val.records} to validate, {len(plan.labels)} classes"
    )
    table.add_row("heads", ", ".join(f"{head.source} → {head.layer}" for head in plan.heads))
    kinds: dict[str, int] = {}
    for layer in plan.transfer:
        kinds[layer.kind] = kinds.get(layer.kind, 0) + 1
    if spec.base.weights:
        table.add_row("weights", ", ".join(f"{count} {kind}" for kind, count in kinds.items()))
    solver = plan.solver
    table.add_row(
        "solver",
        f"{solver.max_iter} iterations of {plan.images_per_iteration} images, "
        f"test every {solver.test_interval}, snapshot every {solver.snapshot}",
    )
    return table


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
