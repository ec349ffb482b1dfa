"""What is shown while something takes its time."""

import pytest
from rich.console import Console

from ftjob.cli.options import write
from ftjob.cli.view.live import progress_bar


def test_answers_beside_a_bar_go_where_stdout_goes(capsys: pytest.CaptureFixture[str]) -> None:
    """A file, perhaps, while stderr is a terminal."""
    with progress_bar(Console(stderr=True, force_terminal=True)) as show:
        show(1, 2, "images")
        write("cat.jpg: cat 99.0%\n")

    assert capsys.readouterr().out == "cat.jpg: cat 99.0%\n"
