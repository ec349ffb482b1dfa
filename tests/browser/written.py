"""The pages that ftjob writes as files, of runs that nobody trained."""

import base64
import io
from pathlib import Path

import numpy as np
from PIL import Image

from ftjob.client.local_run import Run
from ftjob.fs import files
from ftjob.report.compare.comparison_page import render_comparison
from ftjob.report.compare.sweep_comparison import SweepComparison, compare_members
from ftjob.report.compare.thumbnails import data_uri
from ftjob.report.lessons.worst import with_pictures, worst
from ftjob.report.render import ComparisonReport
from ftjob.runfolder.records.mistakes import mistakes_json
from ftjob.runfolder.records.predictions import read_evaluated
from ftjob.runfolder.status import State
from ftjob.sweep.record import MemberRecord, Rung
from ftjob.sweep.standing import SweepState
from jobspec import members, parse_spec
from tests.report.folders import write_run

HOSTILE = (
    "<script>document.title = 'taken over'</script>",
    '"><img src=x onerror="document.title = 1">',
    "</style></table>",
    "\x1b[31mred\x07",
    "l" * 10_000,
    "{{ 7 * 7 }}",
    "ordinary",
)
SWEEP = """\
name: emotions
base: {net: googlenet}
data: {train: /faces, val: /faces-val}
sweep: {solver.base_lr: [0.1, 0.01, 0.001, 0.0001], surgery.freeze: [none, {up_to: inception_4e}]}
output: /runs
"""


def write_pages(folder: Path) -> dict[str, Path]:
    """Write every kind of page; return the files by what is special about them."""
    run = with_mistakes(write_run(folder / "run", right=0.6))
    before = write_run(folder / "before", right=0.5, usd=0.4)
    message = "solver.base_lr: at iteration 132 the loss is NaN or infinite: try 0.01"
    failed = write_run(folder / "failed", state=State.FAILED, reason="Diverged", message=message, exit_code=7)
    under_way = write_run(
        folder / "running",
        state=State.RUNNING,
        reason="Training",
        stage="train",
        message="",
        ended=None,
        exit_code=None,
        iteration=1800,
        eta_seconds=2400.0,
    )
    for path in (failed.folder.evaluation, under_way.folder.evaluation):
        path.unlink()
    many = write_run(folder / "many", [f"n{number:08} a class with a longer name" for number in range(60)])
    hostile = with_mistakes(write_run(folder / "hostile", HOSTILE, right=0.6, message="<b>text</b>" * 400))
    pages = {
        "report": run.report(before).html(),
        "failed": failed.report().html(),
        "running": under_way.report().html(),
        "many classes": many.report().html(),
        "hostile names": hostile.report().html(),
        "two runs": compared(before, run),
        "five runs": compared(before, run, failed, under_way, write_run(folder / "other", right=0.7)),
        "sweep": sweep().html(),
    }
    for name, html in pages.items():
        files.write_text(folder / f"{name}.html", html)
    return {name: folder / f"{name}.html" for name in pages}


def with_mistakes(run: Run) -> Run:
    """Give a run its worst mistakes, with pictures."""
    found = read_evaluated(run.folder.evaluation, run.folder.predictions)
    assert found
    wrong = worst((found.predictions or {}).values())
    pictures = {each.key: picture(number) for number, each in enumerate(wrong)}
    run.folder.mistakes.write_bytes(mistakes_json(with_pictures(wrong, pictures)))
    return run


def picture(number: int) -> str:
    """A JPEG in base64."""
    across, down = np.meshgrid(np.arange(96), np.arange(72 + number))
    shades = 127 + 127 * np.sin(across / (4 + number)) * np.cos(down / 9)
    stream = io.BytesIO()
    Image.fromarray(shades.astype(np.uint8)).save(stream, "JPEG")
    return base64.b64encode(stream.getvalue()).decode()


def compared(*runs: Run) -> str:
    """The page of some runs, with pictures of what changed."""
    made = ComparisonReport(tuple(run.facts() for run in runs)).comparison
    changed = {image.key for each in made.differences for image in (*each.gained, *each.lost)}
    pictures = {key: data_uri(picture(number % 20)) for number, key in enumerate(sorted(changed))}
    return render_comparison(made, pictures)


def sweep() -> SweepComparison:
    """A sweep whose worse half was stopped early; a member failed, and two wait."""
    found = members(parse_spec(SWEEP, "spec.yaml"))
    accuracies = (0.61, 0.72, 0.583, 0.4, 0.31, None)
    records = [
        MemberRecord(
            name=member.name,
            state=State.SUCCEEDED if accuracy else State.FAILED,
            accuracy=accuracy,
            spent_microdollars=400_000 + 90_000 * number,
            spent_milliseconds=1_600_000 + 230_000 * number,
            rungs=(Rung(number=0, accuracy=accuracy),) if accuracy else (),
        )
        for number, (member, accuracy) in enumerate(zip(found, accuracies, strict=False))
    ]
    behind = {"state": State.STOPPED, "stopped": True}
    records[3:5] = [each.model_copy(update=behind) for each in records[3:5]]
    return compare_members("emotions/sweep-0", "Running", SweepState(found, tuple(records)))
