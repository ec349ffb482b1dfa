"""The programs `ftjob` and `kubectl-ftjob`: run the command line, and say in one sentence what went wrong."""

import sys
import tempfile
import traceback
from typing import IO

from ftjob.cli import app
from ftjob.errors import FtjobError
from ftjob.terminal import end_closed, open_streams, print_error

INTERRUPTED = 130
UNFORESEEN = 1


def main() -> None:
    """Run the command line and exit with its code: errors.ExitCode, 130 for Ctrl-C, 1 for a bug."""
    open_streams()
    try:
        try:
            app(prog_name="ftjob")
        finally:
            sys.stdout.flush()
    except FtjobError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("", INTERRUPTED)
    except BrokenPipeError:
        end_closed()
    except Exception:  # noqa: BLE001 the last resort: a traceback is for the report, not for the user
        with _report() as file:
            file.write(traceback.format_exc())
        _end(f"an unforeseen error: please report it with {file.name}", UNFORESEEN)


def _end(message: str, code: int) -> None:
    if message:
        print_error(message)
    sys.exit(code)


def _report() -> IO[str]:
    """Open a file for a traceback, whatever is in it."""
    return tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", errors="backslashreplace", prefix="ftjob-", suffix=".log", delete=False
    )


if __name__ == "__main__":
    main()
