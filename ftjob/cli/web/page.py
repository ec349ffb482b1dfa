"""The verb `ftjob ui`."""

import secrets
import webbrowser
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from ftjob.cli.options import KubeContext, KubeNamespace, console
from ftjob.errors import BadSpecError
from ftjob.web.installed import require_extra

if TYPE_CHECKING:
    from ftjob.cluster.client import Cluster
    from ftjob.web.bearer import Access

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NEEDED = ("starlette", "uvicorn", "multipart", "sse_starlette", "plotly")
"""Modules of the extra."""


def ui(
    host: Annotated[str, typer.Option(help="The address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port; 0 takes a free one.")] = 8265,
    public: Annotated[
        bool, typer.Option("--public", help="Let everyone who reaches --host read the pages, unencrypted.")
    ] = False,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let nobody cancel, submit or promote from the pages.")
    ] = False,
    bearer: Annotated[
        bool,
        typer.Option(
            "--bearer",
            help="Let in whose bearer token the cluster knows, and lets get FineTuneJobs; read-only.",
        ),
    ] = False,
    browser: Annotated[bool, typer.Option(help="Open the page in a browser.")] = True,
    context: KubeContext = None,
    namespace: KubeNamespace = None,
) -> None:
    """Show all runs, live, as pages in a browser, until Ctrl-C."""
    require_extra("ui", *NEEDED)
    if host not in LOOPBACK and not public and not bearer:
        raise BadSpecError(
            f"--host {host}: everyone who reaches this address could read every run, its pictures and logs, "
            "unencrypted: add --bearer, or --public to allow it, or leave out --host"
        )
    from ftjob.ui.app import create_app
    from ftjob.ui.settings import UiSettings
    from ftjob.web.server import address_of, listen, run

    review = _review_by(context, namespace) if bearer else None
    token = "" if read_only or bearer else secrets.token_urlsafe(24)
    # Elsewhere a name of another site cannot lead here any more than our own can: all may read.
    hosts = frozenset() if public or bearer else frozenset({"127.0.0.1", "localhost", "[::1]"})
    with listen(host, port) as listening:
        address = address_of(listening) + (f"/?token={token}" if token else "/")
        console().print(address, soft_wrap=True)
        if browser:
            webbrowser.open(address)
        run(create_app(UiSettings(token, hosts, context, namespace, review)), listening)


def _review_by(context: str | None, namespace: str | None) -> "Callable[[str], Access]":
    """Return what asks the cluster about a token. Raises BadSpecError where no cluster is known."""
    from ftjob.cluster.client import connect

    return partial(access_of, connect(context, namespace))


def access_of(cluster: "Cluster", token: str) -> "Access":
    """Return whether a bearer token's owner may read the pages of a cluster's namespace.

    Raises StorageError where the API server does not answer, BadSpecError where it refuses to.
    """
    from ftjob.cluster.reviews import Right, review
    from ftjob.web.bearer import Access

    right, name = review(cluster, token)
    return {
        Right.READ: Access(200),
        Right.NONE: Access(
            403,
            f"{name} may not get finetunejobs in namespace {cluster.namespace}: ask for the role ftjob-view",
        ),
        Right.UNKNOWN: Access(401, "the cluster does not know this bearer token: make a new one"),
    }[right]
