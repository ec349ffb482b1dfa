"""The paths of a server, and what each answers: everything wrong is one sentence."""

import time
from collections.abc import Awaitable, Callable
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from ftjob.answers.answer import PictureAnswer, best
from ftjob.errors import FtjobError
from ftjob.serve import serve_pages as pages
from ftjob.serve.openapi import document
from ftjob.serve.service import BusyError, Received, RefusedPictureError, Service
from ftjob.serve.tensors import InvalidRequestError, model_metadata, parse_request, render_answer
from jobspec.text import plain

RETRY_SECONDS = "1"
JSON_BYTES = "inference-header-content-length"
TOP = 5
Answer = Callable[[Request], Awaitable[Response]]


def refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """Return the answer to what is refused, as KServe's protocol has errors."""
    return JSONResponse({"error": sentence}, status, headers)


class Endpoints:
    """The handlers of one service's requests."""

    def __init__(self, service: Service) -> None:
        self._service = service
        served = service.served
        self._openapi = document(served.name, served.version, service.image, len(service.labels))

    def app(self) -> Starlette:
        """Return the app that answers."""
        model = f"/v2/models/{self._service.served.name}"
        routes = [Route("/", self._page), Route("/docs", self._docs), Route("/openapi.json", self._document)]
        routes += [Route(f"/static/{name}", asset) for name, asset in pages.assets().items()]
        routes += [
            Route("/metrics", self._metrics),
            Route("/v2", self._server),
            Route("/v2/health/live", self._live),
            Route("/v2/health/ready", self._ready),
            Route("/classify", self._measured("/classify", self._classify), methods=["POST"]),
        ]
        for base in (model, f"{model}/versions/{self._service.served.version}"):
            infer = self._measured("/v2/infer", self._infer)
            routes += [
                Route(base, self._model),
                Route(f"{base}/ready", self._ready),
                Route(f"{base}/infer", infer, methods=["POST"]),
            ]
        return Starlette(routes=routes, exception_handlers={HTTPException: self._unfit})

    async def _page(self, _: Request) -> Response:
        return HTMLResponse(pages.front(self._service.served.name, self._service.served.version))

    async def _docs(self, _: Request) -> Response:
        return HTMLResponse(pages.docs(self._openapi))

    async def _document(self, _: Request) -> Response:
        return JSONResponse(self._openapi)

    async def _metrics(self, _: Request) -> Response:
        return Response(self._service.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def _server(self, _: Request) -> Response:
        extensions = ["binary_tensor_data", "classification"]
        return JSONResponse({"name": "ftjob", "version": version("ftjob"), "extensions": extensions})

    async def _live(self, _: Request) -> Response:
        return JSONResponse({"live": True})

    async def _ready(self, _: Request) -> Response:
        ready = self._service.is_ready
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def _model(self, _: Request) -> Response:
        served = self._service.served
        return JSONResponse(
            model_metadata(served.name, served.version, self._service.image, len(self._service.labels))
        )

    async def _infer(self, request: Request) -> Response:
        service = self._service
        if request.headers.get("content-encoding", "identity") != "identity":
            raise HTTPException(415, "Content-Encoding: send the request uncompressed")
        length = request.headers.get(JSON_BYTES)
        if length is not None and not (length.isdecimal() and len(length) < 12):
            raise InvalidRequestError(f"Inference-Header-Content-Length: {length[:20]!r} is no length")
        with service.receiving() as received:
            body = await _body(request, received)
            size = None if length is None else int(length)
            asked = await run_in_threadpool(parse_request, body, size, service.image)
            if asked.values is not None:
                found = await service.of_values(asked.values)
            else:
                named = [(f"image {number}", each) for number, each in enumerate(asked.pictures, 1)]
                found = await service.of_files(named)
        served = service.served
        answer, json_bytes = render_answer(asked, found, service.labels, served.name, served.version)
        if json_bytes is None:
            return Response(answer, media_type="application/json")
        headers = {"Inference-Header-Content-Length": str(json_bytes)}
        return Response(answer, media_type="application/octet-stream", headers=headers)

    async def _classify(self, request: Request) -> Response:
        top = _top(request)
        with self._service.receiving() as received:
            named = await _pictures(request, received)
            found = await self._service.of_files(named)
            answers = [
                PictureAnswer(name, best(row, self._service.labels, top))
                for (name, _), row in zip(named, found, strict=True)
            ]
            if not _wants_html(request):
                return JSONResponse({"answers": [answer.to_json() for answer in answers]})
            seen = await self._service.seen(named)
        served = self._service.served
        return HTMLResponse(pages.answers(served.name, served.version, answers, seen))

    def _measured(self, path: str, answer: Answer) -> Answer:
        """Return a handler that counts its requests and words its failures."""
        meters = self._service.meters

        async def measured(request: Request) -> Response:
            began = time.monotonic()
            response = await self._worded(request, answer)
            meters.requests.labels(path, response.status_code).inc()
            meters.seconds.labels(path).observe(time.monotonic() - began)
            return response

        return measured

    async def _worded(self, request: Request, answer: Answer) -> Response:
        try:
            return await answer(request)
        except (RefusedPictureError, InvalidRequestError) as error:
            return self._failed(request, 400, str(error))
        except HTTPException as error:
            return self._failed(request, error.status_code, error.detail)
        except BusyError as error:
            return self._failed(request, 503, str(error), {"Retry-After": RETRY_SECONDS})
        except FtjobError as error:
            return self._failed(request, 500, str(error))
        except ClientDisconnect:
            return Response(status_code=499)  # nobody reads it; the metrics show it

    async def _unfit(self, request: Request, error: Exception) -> Response:
        """Word what Starlette refuses: an unknown path, a wrong method."""
        assert isinstance(error, HTTPException)
        served = self._service.served
        sentence = {
            404: f"there is no {request.url.path[:200]} here: the model is {served.name}, version "
            f"{served.version}, and /docs lists every path",
            405: f"{request.url.path[:200]} does not take {request.method[:20]}: /docs lists what does",
        }.get(error.status_code, error.detail)
        return self._failed(request, error.status_code, sentence, dict(error.headers or {}))

    def _failed(
        self, request: Request, status: int, sentence: str, headers: dict[str, str] | None = None
    ) -> Response:
        text = plain(sentence)
        if _wants_html(request):
            served = self._service.served
            return HTMLResponse(pages.refusal(served.name, served.version, text), status, headers)
        return refusal(status, text, headers)


async def _body(request: Request, received: Received) -> bytes:
    """Return a request's body, counted while it arrives."""
    body = bytearray()
    async for piece in request.stream():
        received.add(len(piece))
        body += piece
    return bytes(body)


async def _pictures(request: Request, received: Received) -> list[tuple[str, bytes]]:
    """Return the pictures of a form, or the one that is the body."""
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        body = await _body(request, received)
        if not body:
            raise RefusedPictureError("the request is empty: send an image file")
        return [("image", body)]
    limits = received.service.limits
    async with request.form(max_files=limits.images, max_fields=8, max_part_size=1024) as form:
        found = await _files(form, received)
    if not found:
        raise RefusedPictureError("there is no picture in the form: choose a file")
    return found


async def _files(form: FormData, received: Received) -> list[tuple[str, bytes]]:
    found = []
    for _, upload in form.multi_items():
        if isinstance(upload, UploadFile) and upload.filename:
            received.add(upload.size or 0)
            found.append((plain(upload.filename, 100), await upload.read()))
    return found


def _top(request: Request) -> int:
    text = request.query_params.get("top", str(TOP))
    if not text.isdecimal() or not 1 <= int(text[:9]) <= 1000:
        raise InvalidRequestError("top: give a number from 1 to 1000")
    return int(text)


def _wants_html(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")
