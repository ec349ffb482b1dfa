"""Where ftjob keeps what it can make again."""

import os
from pathlib import Path

from platformdirs import user_cache_path


def cache_dir() -> Path:
    """Return the cache folder: $FTJOB_CACHE, or ftjob's folder in the user's cache. It need not exist yet."""
    override = os.environ.get("FTJOB_CACHE")
    return Path(override) if override else user_cache_path("ftjob")
