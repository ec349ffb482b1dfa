"""What runs have cost, for people and for spreadsheets."""

import csv
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from rich.table import Table

from ftjob.cli.view.markup import Text
from ftjob.formatting import brief, dollars
from ftjob.money.amount import total
from ftjob.report.words import MINUS
from ftjob.runfolder.charges import EARLIER
from jobspec.text import visible

if TYPE_CHECKING:
    from ftjob.money.amount import Amount
    from ftjob.runfolder.charges import Bill, Charge

GROUPS = {
    "START": ("start", "fetch", "open", "replay"),
    "TRAIN": ("train",),
    "TEST": ("test",),
    "SAVE": ("snapshot", "bundle"),
    "OTHER": ("other",),
}
"""Stages in one column."""
LEAST_SHOWN = 500
"""Milliseconds for which a column is worth its room."""
FORMULA = ("=", "+", "-", "@")
"""How texts begin that spreadsheets compute."""
LEAST_WIDTH = 14
"""Letters of a run's reference that fit in one line on a narrow terminal."""


def cost_table(bill: "Bill") -> Table:
    """Return `ftjob cost`'s table: a row for each run, or for each of its attempts below it; the sum; and
    what of its dollars went where. Columns in which there is next to nothing are left out."""
    whole = bill.total
    shown = [name for name, amount in _parts(whole).items() if abs(amount.milliseconds) >= LEAST_SHOWN]
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column("RUN", overflow="fold", min_width=LEAST_WIDTH)
    for heading in ("#", "TIME", "COST", *shown):
        table.add_column(heading, justify="right", no_wrap=True)
    run = ""
    for row in bill.rows:
        reference = f"{row.name}/{row.run_id}"
        if row.attempt is None:
            table.add_row(reference, *_figures(row, shown))
            continue
        if reference != run:
            table.add_row(reference)
        table.add_row(f"  {_attempt(row)}", *_figures(row, shown))
        run = reference
    if len(bill.rows) > 1:
        table.add_row("total", *_figures(whole, shown), style="bold")
    if whole.whole.microdollars:
        table.add_row("", "", "", "", *_dollars(whole, shown), style="bold")
    return table


def unknown(bill: "Bill") -> Text:
    """Return the runs whose cost could not be read, a line for each."""
    return Text("\n".join(f"! {sentence}" for sentence in bill.unknown), "yellow")


def cost_csv(bill: "Bill") -> str:
    """Return the rows as CSV: plain numbers, one column for each stage's seconds and dollars."""
    out = io.StringIO()
    rows = [_flat(row.to_json()) for row in bill.rows]
    writer = csv.DictWriter(out, fieldnames=list(_flat(bill.total.to_json())), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _attempt(row: "Charge") -> str:
    """Return which attempt of its run it is, where, and how it ended."""
    if row.attempt == EARLIER:
        return "before"
    return " ".join(filter(None, (str(row.attempt), row.node, row.reason)))


def _figures(row: "Charge", shown: list[str]) -> list[str]:
    parts = _parts(row)
    times = [_time(parts[name]) if parts[name].milliseconds else "–" for name in shown]
    return [str(row.attempts), _time(row.whole), _money(row.whole, _exact), *times]


def _dollars(row: "Charge", shown: list[str]) -> list[str]:
    parts = _parts(row)
    return [_money(parts[name]) if parts[name].microdollars else "–" for name in shown]


def _time(amount: "Amount") -> str:
    return f"{MINUS if amount.milliseconds < 0 else ''}{brief(abs(amount.seconds))}"


def _money(amount: "Amount", form: Callable[[float], str] = dollars) -> str:
    return f"{MINUS if amount.microdollars < 0 else ''}{form(abs(amount.usd))}"


def _exact(usd: float) -> str:
    """Return dollars to the cent; below one exactly, so that such rows add up to their sum."""
    if usd == 0 or usd >= 0.01:
        return dollars(usd)
    digits = f"{usd:.6f}"
    return f"${digits[:-2]}{digits[-2:].rstrip('0')}"


def _parts(row: "Charge") -> dict[str, "Amount"]:
    """Return what the time went into, by column; what was lost is part of it, what was saved is not."""
    groups = {name: total(row.stages[stage] for stage in stages) for name, stages in GROUPS.items()}
    return {**groups, "LOST": row.lost, "SAVED": total(row.saved.values())}


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row of JSON in columns; what was saved by what is one sum."""
    flat = {name: value for name, value in row.items() if not isinstance(value, dict)}
    saved = row["saved"].values()
    amounts = {
        **row["stages"],
        "lost": row["lost"],
        "saved": {unit: float(sum(each[unit] for each in saved)) for unit in ("seconds", "usd")},
    }
    columns = {f"{name}_{unit}": value for name, each in amounts.items() for unit, value in each.items()}
    return {name: _cell(value) for name, value in (flat | columns).items()}


def _cell(value: Any) -> Any:
    """Return a value as a spreadsheet reads it: a text that it would take for a formula begins with `'`."""
    if isinstance(value, float):
        return f"{value:.6f}"
    if isinstance(value, str):
        shown = visible(value)
        return f"'{shown}" if shown.startswith(FORMULA) else shown
    return value
