"""Whether what web servers are made with is installed, and how to install it."""

import importlib.util

from ftjob.errors import BadSpecError


def require_extra(extra: str, *modules: str) -> None:
    """Raise BadSpecError, with how to install it, where a module of one of ftjob's extras is missing."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise BadSpecError(
                f"{module} is not installed for this Python: install ftjob with its extra [{extra}]: "
                f"`pip install 'ftjob[{extra}]'`"
            )
