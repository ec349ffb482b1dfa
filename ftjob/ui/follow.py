"""Pages that follow something: parts of a page sent as they change, by server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field

from sse_starlette import EventSourceResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from ftjob.errors import FtjobError
from jobspec.text import plain

MOST_STREAMS = 200
"""Pages that are followed at a time."""
SEND_SECONDS = 30.0
"""Within which a browser must take what is sent; it asks again where it did not."""


@dataclass(frozen=True)
class LiveState:
    """What a page shows now."""

    parts: Mapping[str, str] = field(default_factory=dict)
    """By the id of an element, its HTML."""
    text: Mapping[str, str] = field(default_factory=dict)
    """By the id of an element, text that is added to it: what came since the last look, at first all."""
    curves: str = ""
    """Changes when curves are to be fetched again."""
    ended: bool = False
    """Whether the page is to be loaded again, and followed no longer."""


def follow(request: Request, look: Callable[[], LiveState], seconds: float) -> Response:
    """Answer with a stream of what changes on a page. `look` runs in a thread, every so many seconds.

    The first event has the whole state, so that nothing is lost between two connections. Raises
    HTTPException where too many pages are followed.
    """
    state = request.app.state
    if state.streams >= MOST_STREAMS:
        raise HTTPException(503, f"{MOST_STREAMS} pages are followed already: close some")
    events = _events(request, look, seconds)
    return EventSourceResponse(events, send_timeout=SEND_SECONDS, headers={"Cache-Control": "no-store"})


async def _events(
    request: Request, look: Callable[[], LiveState], seconds: float
) -> AsyncIterator[dict[str, str]]:
    request.app.state.streams += 1
    try:
        shown: dict[str, object] = {}
        while True:
            state, problem = await run_in_threadpool(_looked, look)
            news = _news(state, problem, shown)
            if news:
                yield {"data": json.dumps(news)}
            if state.ended:
                return
            await asyncio.sleep(seconds)
    finally:
        request.app.state.streams -= 1


def _looked(look: Callable[[], LiveState]) -> tuple[LiveState, str]:
    try:
        return look(), ""
    except FtjobError as error:
        return LiveState(), plain(str(error))


def _news(state: LiveState, problem: str, shown: dict[str, object]) -> dict[str, object]:
    """Return what of a state was not sent yet, and note that it is."""
    is_first = not shown
    whole: dict[str, object] = {"problem": problem, "curves": state.curves, "ended": state.ended}
    whole |= {f"#{target}": html for target, html in state.parts.items()}
    changed = {key: value for key, value in whole.items() if shown.get(key) != value}
    shown |= whole
    news = {key: value for key, value in changed.items() if not key.startswith("#")}
    if parts := {key[1:]: value for key, value in changed.items() if key.startswith("#")}:
        news["parts"] = parts
    if text := {key: value for key, value in state.text.items() if value or is_first}:
        news |= {"text": text, "from_start": is_first}
    return news
