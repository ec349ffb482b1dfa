"""A time of day that does not jump: the API server's, read once, then counted by the monotonic clock."""

import time
from email.utils import parsedate_to_datetime

from kubernetes import client
from urllib3.exceptions import HTTPError

from ftjob.cluster.controller.serving.logs import log


class Clock:
    """Seconds since 1970. A machine whose clock is set while we run does not end anybody's budget."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()

    def now(self) -> float:
        return time.monotonic() + self._offset

    def follow(self, server: client.VersionApi) -> None:
        """Follow the API server's clock, as pods' times do; our own where the server's is unknown."""
        try:
            *_, headers = server.get_code_with_http_info(_request_timeout=(5, 30))
            server_time = parsedate_to_datetime(headers["Date"]).timestamp()
        except (client.ApiException, HTTPError, KeyError, ValueError) as error:
            log("the API server's time is unknown: using our own", error=repr(error))
            return
        if abs(server_time - self.now()) > 1.0:  # a Date is cut to whole seconds
            log("the API server's time differs from ours", ahead=round(server_time - self.now()))
            self._offset = server_time + 0.5 - time.monotonic()
