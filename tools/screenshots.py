"""Make the pictures in docs/pictures: the pages, and the screens of a terminal, light and dark.

What they show really ran: nets for handwritten digits, some of which have a wrong label. Another call finds
their runs where this one trained them.
"""

import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import yaml
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from rich.console import Console, RenderableType
from rich.terminal_theme import DEFAULT_TERMINAL_THEME, SVG_EXPORT_THEME, TerminalTheme
from rich.text import Text

from examples.digits.images import write_digits
from examples.digits.net import build
from ftjob import api
from ftjob.cli.view.screen import EVENTS, screen
from ftjob.fs.paths import cache_dir
from ftjob.net.prototxt import to_text
from ftjob.report.now import RunEvents
from tests.browser.chromium import unpacked
from tests.browser.pageserver import PageServer

if TYPE_CHECKING:
    from ftjob.client.handle import RunHandle

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "docs" / "pictures"
FOLDER = Path(tempfile.gettempdir()) / "ftjob-pictures"
"""Paths in it are seen in pictures, so it is no folder of anybody's."""
LARGEST = 60_000
"""Bytes of a picture."""
COLOURS = (64, 32, 16, 8)
"""Of a picture's palette; the first that keeps it small."""
WIDTH, HEIGHT = 1000, 720
THEMES: dict[str, TerminalTheme] = {"light": DEFAULT_TERMINAL_THEME, "dark": SVG_EXPORT_THEME}
TERMINAL = """\
<!doctype html><html lang="en"><meta charset="utf-8"><style>
pre {{ display: inline-block; margin: 0; padding: 14px; color: {foreground}; background: {background};
font: 14px/1.25 "JetBrains Mono", FreeMono, monospace; }}
i {{ display: inline-block; width: 1ch; font-style: normal; }} /* braille, of a font with other widths */
</style><pre>{code}</pre></html>
"""
SOLVER = {"base_lr": 0.02, "max_iter": 400, "test_interval": "10%", "snapshot": "25%"}
SPEC = {
    "name": "digits",
    "base": {"net": "net.prototxt"},
    "data": {"train": "train", "val": "val", "resize": 32, "crop": 28, "scale": 1 / 256, "batch_size": 32},
    "solver": SOLVER,
    "resources": {"node": "local"},
    "budget": {"hours": 1},
    "engine": "torch",
    "output": "runs",
}
TERMINALS = {
    "plan": "plan digits.yaml",
    "compare": "compare slower digits",
    "classify": "classify digits val/2/015.png val/3/040.png val/8/040.png --top 3",
}
"""Commands whose output is shown, by the picture's name."""


def main() -> None:
    """Train what is missing, and make every picture anew."""
    chromium = unpacked(cache_dir())
    FOLDER.mkdir(parents=True, exist_ok=True)
    os.environ["FTJOB_CACHE"] = str(FOLDER / "cache")  # the runs of these pictures, and no others
    os.chdir(FOLDER)
    write_data()
    screens = {**train_all(), **printed()}
    PICTURES.mkdir(parents=True, exist_ok=True)
    for old in PICTURES.glob("*.png"):
        old.unlink()
    with sync_playwright() as playwright:
        browser = chromium.launch(playwright)
        page = browser.new_page(viewport={"width": WIDTH, "height": HEIGHT}, reduced_motion="reduce")
        for name, (view, columns) in screens.items():
            take_terminal(page, name, view, columns)
        for name in (*ui_pages(page), *serve_page(page), *written_pages(page)):
            sys.stderr.write(f"{name}\n")
        browser.close()


def write_data() -> None:
    """Write the digits, six of them into the folder of another class."""
    if Path("train").exists():
        return
    write_digits(Path("train"), range(10), slice(100))
    write_digits(Path("val"), range(10), slice(100, 170))
    for digit in range(6):
        wrong = Path("val") / str(digit) / "000.png"
        wrong.rename(Path("val") / str(9 - digit) / f"from-{digit}.png")
    Path("net.prototxt").write_text(to_text(build()), encoding="utf-8")


def train_all() -> "dict[str, tuple[RenderableType, int]]":
    """Train two runs and a sweep; return the screens of the one that is watched half-way."""
    write_spec("digits", {})
    write_spec("slower", {"solver": {**SOLVER, "base_lr": 0.002}})
    sweep = {"solver.base_lr": [0.003, 0.01, 0.03, 0.1]}
    write_spec("rates", {"solver": {**SOLVER, "max_iter": 60}, "sweep": sweep})
    for name in ("slower", "digits", "rates"):
        ftjob("submit", f"{name}.yaml", "--local", "--wait", "--yes")
    write_spec("watched", {"solver": {**SOLVER, "base_lr": 0.015}})
    shutil.rmtree("runs/watched", ignore_errors=True)
    ftjob("submit", "watched.yaml", "--local", "--yes")
    return half_way(api.find("watched"))


def write_spec(name: str, changes: dict[str, object]) -> None:
    """Write NAME.yaml."""
    spec = {**SPEC, "name": name, **changes}
    Path(f"{name}.yaml").write_text(yaml.safe_dump(spec, sort_keys=False), encoding="utf-8")


def half_way(run: "RunHandle") -> "dict[str, tuple[RenderableType, int]]":
    """Return the screens of `ftjob watch`, small and wide, of a run that is more than half done."""
    events = RunEvents()
    for update in run.updates():
        status = update.status
        events.see(status)
        if update.ended or status.iteration > 0.6 * (status.max_iter or 1):
            break
    facts, last = run.facts(), events.last(EVENTS)
    return {
        "watch": (screen(facts, status, last, 80, 24), 80),
        "watch-wide": (screen(facts, status, last, 140, 36), 140),
    }


def ftjob(*words: str, **environment: str) -> str:
    """Call the command line, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-m", "ftjob", *words],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return done.stdout


def printed() -> "dict[str, tuple[RenderableType, int]]":
    """Return what the commands print on a terminal of 100 columns."""
    found: dict[str, tuple[RenderableType, int]] = {}
    for name, command in TERMINALS.items():
        text = ftjob(*command.split(), FORCE_COLOR="1", COLUMNS="100").replace(f"{FOLDER}/", "")
        found[name] = Text.from_ansi(f"$ ftjob {command}\n{text}"), 100
    return found


def take_terminal(page: Page, name: str, view: RenderableType, columns: int) -> None:
    """Make the pictures of a terminal's screen."""
    for scheme, theme in THEMES.items():
        console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True)
        console.print(view)
        html = console.export_html(theme=theme, code_format=TERMINAL, inline_styles=True)
        page.set_content(re.sub(f"[{chr(0x2800)}-{chr(0x28FF)}]", r"<i>\g<0></i>", html))
        page.set_viewport_size({"width": 1500, "height": 1000})
        save(page.locator("pre").screenshot(), name, scheme)
    page.set_viewport_size({"width": WIDTH, "height": HEIGHT})


def take_page(page: Page, name: str, top: str = "") -> str:
    """Make the pictures of what the page shows, from its top or from an element; return their name."""
    for scheme in THEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]  # its two schemes
        page.wait_for_timeout(600 + 2000 * page.locator(".plot").count())  # drawn again in other colours
        if top:
            page.locator(top).evaluate("each => each.scrollIntoView()")
        save(page.screenshot(), name, scheme)
    return name


def save(picture: bytes, name: str, scheme: str) -> None:
    """Write a picture with as many colours as fit."""
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in COLOURS:
        stream = io.BytesIO()
        # This method keeps colours that are rare: a green word, an orange point.
        few = whole.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        few.save(stream, "PNG", optimize=True)
        if len(stream.getvalue()) <= LARGEST:
            break
    (PICTURES / f"{name}-{scheme}.png").write_bytes(stream.getvalue())


def ui_pages(page: Page) -> Iterator[str]:
    """Make the pictures of the pages of `ftjob ui`."""
    server = PageServer(FOLDER)
    page.goto(server.start())
    yield take_page(page, "ui-runs")
    page.goto(f"{server.address}/runs/digits")
    page.locator(".plot").first.wait_for()
    yield take_page(page, "ui-run")
    yield take_page(page, "ui-run-curves", "#curves")
    yield take_page(page, "ui-run-classes", "#classes")
    runs = "&".join(f"run={name}/{api.find(name).run_id}" for name in ("slower", "digits"))
    page.goto(f"{server.address}/compare?{runs}")
    page.locator(".plot").first.wait_for()
    yield take_page(page, "ui-compare")
    page.goto(f"{server.address}/data")
    page.get_by_label("place").fill("train")
    page.get_by_role("button", name="Look at it").click()
    page.get_by_role("heading", name="Findings").wait_for()
    yield take_page(page, "ui-data")
    page.goto(f"{server.address}/classify")
    page.get_by_label("Picture").set_input_files("val/8/040.png")
    page.get_by_role("button", name="Classify").click()
    page.locator("#answer").wait_for()
    yield take_page(page, "ui-classify")
    page.goto(f"{server.address}/new?run=digits")
    yield take_page(page, "ui-spec")
    page.get_by_role("button", name="See its plan").click()
    page.get_by_role("heading", name="Submit").wait_for()
    yield take_page(page, "ui-plan")
    server.kill()


def serve_page(page: Page) -> Iterator[str]:
    """Make the pictures of the page of `ftjob serve`."""
    server = PageServer(FOLDER, ("serve", "digits"))
    page.goto(server.start())
    page.get_by_label("Pictures to classify").set_input_files(["val/3/040.png", "val/8/040.png"])
    page.get_by_role("button", name="Classify", exact=True).click()
    page.get_by_role("heading", name="040.png").first.wait_for()
    yield take_page(page, "serve")
    server.kill()


def written_pages(page: Page) -> Iterator[str]:
    """Make the pictures of the pages that are files."""
    ftjob("report", "digits", "--to", "report.html")
    ftjob("compare", "slower", "digits", "-o", "html", "--to", "comparison.html")
    ftjob("compare", "--sweep", "rates", "-o", "html", "--to", "sweep.html")
    page.goto((FOLDER / "report.html").as_uri())
    yield take_page(page, "report")
    yield take_page(page, "report-mistakes", "#mistakes")
    page.goto((FOLDER / "comparison.html").as_uri())
    yield take_page(page, "comparison")
    page.goto((FOLDER / "sweep.html").as_uri())
    yield take_page(page, "sweep")


if __name__ == "__main__":
    main()
