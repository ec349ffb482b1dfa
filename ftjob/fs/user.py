"""The user of this process."""

import getpass
import os


def user_name() -> str:
    """Return the name of this process's user, or the number where the machine has no name for it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())
