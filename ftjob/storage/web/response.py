"""One GET request: redirects, proxies and timeouts."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3 import BaseHTTPResponse, PoolManager, ProxyManager, Timeout, make_headers

from ftjob.errors import StorageError

MOST_REDIRECTS = 5
CONNECT_SECONDS, READ_SECONDS = 10.0, 60.0
"""When a server that does not answer counts as away, if the deadline is not shorter."""
HEADERS = {"User-Agent": "ftjob", "Accept-Encoding": "identity"}
"""The digest is that of the file, not of what a server may compress it to."""


@contextmanager
def get(address: str, headers: Mapping[str, str], patience: float) -> Iterator[BaseHTTPResponse]:
    """Give the answer to a request, its body unread.

    Messages name the address that was asked for: what it redirects to may hold a signature. Raises
    StorageError for a redirect that is not followed, urllib3's HTTPError where nothing answers.
    """
    url = address
    for _ in range(MOST_REDIRECTS + 1):
        answer = _request(url, headers, patience)
        try:
            target = answer.get_redirect_location()
            if not target:
                yield answer
                return
            url = _redirected(address, url, target)
        finally:
            answer.close()  # rather than read to its end: a body may have none
    raise StorageError(
        f"{address}: redirects more than {MOST_REDIRECTS} times: give the address that it leads to"
    )


def _request(url: str, headers: Mapping[str, str], patience: float) -> BaseHTTPResponse:
    return _pool(url).request(
        "GET",
        url,
        headers={**HEADERS, **headers},
        redirect=False,
        retries=False,
        preload_content=False,
        timeout=Timeout(connect=min(CONNECT_SECONDS, patience), read=min(READ_SECONDS, patience)),
    )


def _pool(url: str) -> PoolManager:
    """Return what opens a connection to a URL: through the proxy that $HTTPS_PROXY and its like name."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme)
    if not proxy or proxy_bypass(parts.hostname or ""):
        return PoolManager()
    user = urlsplit(proxy)
    name = f"{unquote(user.username)}:{unquote(user.password or '')}" if user.username else None
    return ProxyManager(proxy, proxy_headers=make_headers(proxy_basic_auth=name))


def _redirected(address: str, url: str, target: str) -> str:
    """Return where a redirect leads. Raises StorageError where it leaves the web, or https for http."""
    try:
        found = urljoin(url, target)
        parts = urlsplit(found)
        leads = parts.scheme in ("http", "https") and parts.hostname is not None and parts.port != 0
    except ValueError:
        leads = False
    if not leads:
        raise StorageError(f"{address}: redirects to what is no web address: correct the address")
    if urlsplit(url).scheme == "https" and parts.scheme == "http":
        raise StorageError(
            f"{address}: redirects from https:// to http://, which is not encrypted: give the address that "
            "it leads to, if you mean that"
        )
    return found
