"""The programs `ftjob` and `kubectl-ftjob`: run the command line, and report a failure in one sentence."""

import sys

from ftjob.cli.app import app
from ftjob.cli.bugreport import bug_report
from ftjob.cli.options import end_closed, open_streams, print_error
from ftjob.errors import FtjobError

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
    except Exception as error:  # noqa: BLE001 the last resort: the user gets a report, not a traceback
        sys.stderr.write(bug_report(error))
        sys.exit(UNFORESEEN)


def _end(message: str, code: int) -> None:
    if message:
        print_error(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
