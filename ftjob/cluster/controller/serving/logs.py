"""The controller's log: one JSON object a line on stderr, for every logger in the process."""

import json
import logging
import time
from typing import Any

_LOGGER = logging.getLogger("ftjob.controller")
_LOGGER.setLevel(logging.INFO)


class JsonLines(logging.Formatter):
    """Formats a record as a line of JSON: the controller's with its fields, a library's with its name."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, without its end."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        fields = getattr(record, "fields", None)
        if fields is None:
            fields = {"logger": record.name, "level": record.levelname}
        if record.exc_info:
            fields = {**fields, "error": self.formatException(record.exc_info)}
        line = {"time": f"{stamp}.{int(record.msecs):03d}Z", "message": record.getMessage(), **fields}
        return json.dumps(line, default=str)


def write_log() -> None:
    """Write to stderr what is logged from now on: all of the controller's, libraries' warnings."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.captureWarnings(True)


def log(message: str, **fields: Any) -> None:
    """Log what happened, and to which object."""
    _LOGGER.info(message, extra={"fields": fields})
