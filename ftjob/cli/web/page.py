"""The verb `ftjob ui`."""

import importlib.util
import secrets
import webbrowser
from typing import Annotated

import typer

from ftjob.cli.options import KubeContext, KubeNamespace, console
from ftjob.errors import BadSpecError

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NEEDED = ("starlette", "uvicorn", "multipart", "sse_starlette", "plotly")
"""Modules of the extra."""
INSTALL_HINT = "install ftjob with its extra [ui]: `pip install 'ftjob[ui]'`"


def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8265,
    public: Annotated[
        bool, typer.Option("--public", help="Let everyone who reaches --host read the pages, unencrypted.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody cancel, submit or promote from the pages.")
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Show all runs, live, as pages in a browser, until Ctrl-C."""
    for module in NEEDED:
        if importlib.util.find_spec(module) is None:
            raise BadSpecError(f"{module} is not installed for this Python: {INSTALL_HINT}")
    if host not in LOOPBACK and not public:
        raise BadSpecError(
            f"--host {host}: everyone who reaches this address could read every run, its pictures and logs, "
            "unencrypted: add --public to allow it, or leave out --host"
        )
    from ftjob.ui.app import create_app
    from ftjob.ui.settings import UiSettings
    from ftjob.web.server import address_of, listen, run

    token = "" if read_only else secrets.token_urlsafe(24)
    # Elsewhere a name of another site cannot lead here any more than our own can: all may read.
    hosts = frozenset() if public else frozenset({"127.0.0.1", "localhost", "[::1]"})
    with listen(host, port) as listening:
        address = address_of(listening) + (f"/?token={token}" if token else "/")
        console().print(address, soft_wrap=True)
        if browser:
            webbrowser.open(address)
        run(create_app(UiSettings(token, hosts, context, namespace)), listening)
