"""Datasets: what was built, what was found wrong with them."""

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table

from ftjob.cli.view.markup import Text

if TYPE_CHECKING:
    from ftjob.dataset.build.build import Manifest
    from ftjob.dataset.check.check import CheckReport

SEVERITY_STYLE = {"error": "bold red", "warning": "yellow"}


def built(manifest: "Manifest", out: str) -> RenderableType:
    """Return a dataset's contents, class by class, with what was left out or is unusual."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("LABEL", "CLASS", "TRAIN", "VAL"):
        table.add_column(heading, justify="left" if heading == "CLASS" else "right")
    counts = [manifest.splits[split].histogram for split in ("train", "val") if split in manifest.splits]
    for label, name in enumerate(manifest.labels):
        table.add_row(str(label), name, *(str(histogram[label]) for histogram in counts))
    lines: list[RenderableType] = [table]
    if manifest.notes:
        lines.append(Text(", ".join(f"{count} {what}" for what, count in sorted(manifest.notes.items()))))
    if manifest.unreadable:
        unreadable = "\n".join(f"  {line}" for line in manifest.unreadable_first)
        lines.append(
            Text(f"{manifest.unreadable} images could not be read and were left out:\n{unreadable}", "yellow")
        )
    lines += [Text(f"warning: {each}", SEVERITY_STYLE["warning"]) for each in manifest.warnings]
    if manifest.reused:
        lines.append(Text(f"{manifest.reused} records reused from the previous build"))
    return Group(*lines, Text(out))


def checked(report: "CheckReport") -> RenderableType:
    """Return the findings, errors first, and how much was checked; the datasets are called train and val."""
    facts = {"train": report.train} | ({"val": report.val} if report.val else {})
    table = Table.grid(padding=(0, 1))
    for finding in report.findings:
        severity = Text(finding.severity, SEVERITY_STYLE[finding.severity])
        table.add_row(severity, Text(report.sentence(finding)))
    style = "green" if not report.findings else "yellow" if report.ok else "red"
    looked = [
        Text(f"{name}: {each.records} records of {each.location}", "dim") for name, each in facts.items()
    ]
    sheets = [Text(f"contact sheets in {report.sheets[0].parent.parent}")] if report.sheets else []
    return Group(table, *looked, *sheets, Text(report.verdict, style))
