"""The programs `ftjob` and `kubectl-ftjob`: run the command line, and report a failure in one sentence."""

import errno
import os
import sys
from typing import NoReturn

from ftjob.cli.app import app
from ftjob.cli.bugreport import bug_report
from ftjob.cli.options import discard, end_closed, open_streams, print_error
from ftjob.errors import ExitCode, FtjobError, thread_limit

INTERRUPTED = 130
UNFORESEEN = 1
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a write where a disk, a quota or a limit of file sizes has no room."""


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
    except OSError as error:
        if error.errno not in FULL or error.filename is not None:
            _end_in_fault(error)
        discard(sys.stdout)
        why = f"the output cannot be written ({os.strerror(error.errno)}): free space where it goes"
        _end(why, ExitCode.STORAGE)
    except Exception as error:  # noqa: BLE001 the last resort: the user gets a report, not a traceback
        _end_in_fault(error)


def _end_in_fault(error: Exception) -> NoReturn:
    if refused := thread_limit.meant_by(error):
        _end(str(refused), refused.exit_code)
    sys.stderr.write(bug_report(error))
    sys.exit(UNFORESEEN)


def _end(message: str, code: int) -> NoReturn:
    if message:
        print_error(message)
    sys.exit(code)


if __name__ == "__main__":
    main()
