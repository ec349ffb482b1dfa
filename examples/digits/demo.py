"""`make demo`: learn some digits, fine-tune on the others, compare with learning them from scratch.

The recipe of people who have a model and a few images, as the two stages of one run: a net is trained where
images are plenty (digits 0 to 5), then its three heads are renamed and it learns four new classes (6 to 9)
from ten images each. A second run freezes the trunk in its second stage, and copies the result of its first,
which is that of the run before. The same net from scratch on the same forty images, for as many iterations,
is what fine-tuning has to beat. (Digits are easy: given several times the iterations, the net from scratch
gets as far.)
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

import ftjob
from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob import formatting
from ftjob.cli.view import live, results
from ftjob.engine.caffe.install import install_caffe
from ftjob.engine.caffe.installed import find_caffe
from ftjob.errors import FtjobError
from ftjob.net.prototxt import to_text
from ftjob.report.confusion import weakest_first
from ftjob.report.curves import draw_comparison

FIRST, LATER = range(6), range(6, 10)
FEW = 10
"""Images per new class to learn from; the rest of them (about 170 per class) evaluate the result."""

SPEC = """\
name: {name}
base:
  net: net.prototxt
{weights}surgery:
  freeze: {freeze}
  head_lr_mult: {head_lr_mult}
data:
  train: {train}
  {val}
  resize: 32
  crop: 28
  scale: 0.00390625     # grey values 0 to 255 become 0 to 1
  batch_size: {batch_size}
solver:
  base_lr: {base_lr}
  lr_policy: fixed
  max_iter: {max_iter}
  test_interval: 20%
  snapshot: 20%
engine: caffe
output: runs
"""
STAGES = """\
stages:
  - name: many
  - name: few
    data: {{train: later, val: judges, batch_size: 20}}
    surgery: {{freeze: {freeze_later}, head_lr_mult: 5}}
    solver: {{base_lr: 0.005, max_iter: 20}}
"""


@dataclass(frozen=True)
class Entry:
    """One row of the table at the end."""

    title: str
    run: ftjob.Run


def main() -> None:
    """Run the demo in the folder given, or in .cache/demo."""
    console = Console(highlight=False)
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ".cache/demo").absolute()
    begin = time.monotonic()
    try:
        install_engine(console)
        entries = run_all(console, folder)
    except FtjobError as error:
        sys.exit(str(error))
    picture = folder / "curves.png"
    draw_comparison({entry.title: entry.run.folder for entry in entries}, picture)
    console.print(table(entries))
    finetuned = entries[1].run
    check = ftjob.verify(finetuned.folder.bundle)
    console.print(results.verified(check))
    paths = {
        "bundle": finetuned.folder.bundle,
        "report": finetuned.folder.report,
        "curves": picture,
        "specs": folder,
    }
    for title, path in paths.items():
        console.print(f"{title:<7} {os.path.relpath(path)}", soft_wrap=True)
    console.print(f"all of it took {formatting.duration(time.monotonic() - begin)}")


def install_engine(console: Console) -> None:
    """Fetch real Caffe into the user's cache, unless it is there."""
    try:
        find_caffe()
    except FtjobError:
        with live.progress_bar(console) as show:
            install_caffe(progress=show)


def run_all(console: Console, folder: Path) -> list[Entry]:
    """Write images, net and specs; train the three that are compared."""
    write_digits(folder / "first", FIRST, slice(None))
    write_digits(folder / "later", LATER, slice(FEW))
    write_digits(folder / "judges", LATER, slice(FEW, None))
    (folder / "net.prototxt").write_text(to_text(build()), encoding="utf-8")
    new = {"base_lr": 0.02, "head_lr_mult": 1, "weights": "", "freeze": "none"}
    many = new | {"train": "first", "val": "val_split: 0.2", "batch_size": 32, "max_iter": 200}
    few = new | {"train": "later", "val": "val: judges", "batch_size": 20, "max_iter": 20}
    scratch = SPEC.format(name="scratch", **few)
    tuned, frozen = (
        (SPEC + STAGES).format(name="finetuned", freeze_later=freeze, **many)
        for freeze in ("none", "{up_to: inception_b}")
    )
    return [
        Entry("from scratch", train(console, folder / "scratch.yaml", scratch)),
        Entry("fine-tuned", train(console, folder / "finetuned.yaml", tuned)),
        Entry("frozen trunk", train(console, folder / "frozen.yaml", frozen)),
    ]


def train(console: Console, spec: Path, text: str) -> ftjob.Run:
    """Write a spec, submit it and show it to its end. Raises FtjobError where it did not succeed."""
    spec.write_text(text, encoding="utf-8")
    console.print(f"\nftjob submit {os.path.relpath(spec)} --local --wait", style="bold", soft_wrap=True)
    run, _ = ftjob.submit(spec)
    last = live.follow(console, run.follow())
    if last.exit_code != 0:
        sys.exit(f"{spec.name} ended as {last.state}: see {run.folder.logs}")
    return run


def table(entries: list[Entry]) -> Table:
    """Return accuracy and time of every way to learn the new digits."""
    rows = Table(
        title=f"Digits 6 to 9 from {FEW} images each", title_justify="left", box=None, pad_edge=False
    )
    rows.add_column("")
    for heading in ("accuracy", "worst class", "iterations", "time"):
        rows.add_column(heading, justify="right")
    for entry in entries:
        evaluation, status = entry.run.evaluation(), entry.run.status()
        worst = weakest_first(evaluation.classes)[0]
        seconds = status.stage_results[-1].seconds if status.stage_results else status.seconds
        rows.add_row(
            entry.title,
            formatting.percent(evaluation.accuracy),
            f"{worst.name}: {formatting.percent(worst.recall)}",
            str(status.iteration),
            formatting.duration(seconds),
        )
    return rows


if __name__ == "__main__":
    main()
