"""The programs `ftjob` and `kubectl-ftjob`: run the command line, and say in one sentence what went wrong."""

import sys
import tempfile
import traceback

from ftjob.cli import app
from ftjob.errors import FtjobError

INTERRUPTED = 130
UNFORESEEN = 1


def main() -> None:
    """Run the command line and exit with its code: errors.ExitCode, 130 for Ctrl-C, 1 for a bug."""
    try:
        app(prog_name="ftjob")
    except FtjobError as error:
        _end(str(error), error.exit_code)
    except KeyboardInterrupt:
        _end("", INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except Exception:  # noqa: BLE001 the last resort: a traceback is for the report, not for the user
        with tempfile.NamedTemporaryFile("w", prefix="ftjob-", suffix=".log", delete=False) as file:
            file.write(traceback.format_exc())
        _end(f"an unforeseen error: please report it with {file.name}", UNFORESEEN)


def _end(message: str, code: int) -> None:
    if message:
        sys.stderr.write(message + "\n")
    sys.exit(code)


if __name__ == "__main__":
    main()
