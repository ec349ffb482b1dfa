"""docs/tune.md: it shows what the verb prints, and its tables name every field."""

import random
import re
from pathlib import Path

from rich.console import Console

from ftjob.cli.view.tune import tuned
from ftjob.tuning.rate_curve import rate_curve
from tests.tuning.curves import descent, lines

PAGE = (Path(__file__).parents[2] / "docs" / "tune.md").read_text(encoding="utf-8")


def test_the_plot_is_what_is_printed() -> None:
    """Of a made-up curve, letter by letter."""
    chance, loss = random.Random(1), descent(0.004)
    curve = rate_curve(lines(lambda rate: loss(rate) + chance.gauss(0, 0.06)))
    console = Console(width=80, highlight=False, color_system=None)
    with console.capture() as printed:
        console.print(tuned(curve))

    [(command, shown)] = re.findall(r"```console\n\$ (.*)\n((?:.*\n)*?)```", PAGE)
    assert command == "ftjob tune lr emotions.yaml"
    assert shown == printed.get()


def test_every_field_is_explained() -> None:
    """Those that the verb adds and those of the curve."""
    table = PAGE[PAGE.index("| Field") : PAGE.index("```python")]
    named = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)", row.split(" | ")[0])}

    assert named == {"run", "folder", "started", "usd", *rate_curve([]).to_json()}
