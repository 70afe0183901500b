"""The HTTP interface: /predict, /healthz, /metrics, /openapi.json, and a page to try it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from tithe import __version__
from tithe.predict import Explanation
from tithe.report.words import say
from tithe.serve import questions
from tithe.serve.batching import Answer, Batcher
from tithe.serve.limits import Limits
from tithe.serve.meters import Meters
from tithe.serve.predictor import Predictor
from tithe.web import pages
from tithe.web.address import Address
from tithe.web.guard import Guard, Rules
from tithe.web.refusals import Refusal, answered

_PROMETHEUS = "text/plain; version=0.0.4; charset=utf-8"
_OPEN = ("/", "/healthz")  # without a token: the page asks for one
_PATHS = (*_OPEN, "/predict", "/metrics", "/openapi.json")
_GONE = 499  # the client has closed the connection: nobody reads this
# What is read of a body that is too large, so that its sender reads the answer and not a broken connection.
_DISCARDED = 8
_SHOWN = 80  # characters of what a client sent


@dataclass(frozen=True)
class Service:
    """The answers to each path."""

    predictor: Predictor
    address: Address
    limits: Limits
    batcher: Batcher

    async def predict(self, request: Request) -> Response:
        """Classify texts."""
        question = questions.parse(await self._body(request), self.limits)
        answering = asyncio.create_task(self.batcher.answer(question.texts, question.explain))
        leaving = asyncio.create_task(_disconnected(request))
        try:
            await asyncio.wait({answering, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not answering.done():
                return Response(status_code=_GONE)
            answers = answering.result()
        finally:
            answering.cancel()
            leaving.cancel()
        plain = [_plain(answer, question.top_k) for answer in answers]
        return Response(json.dumps({"predictions": plain}, ensure_ascii=False), media_type="application/json")

    async def _body(self, request: Request) -> bytes:
        """Return the body; bytes are counted as they come, whatever the headers say."""
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            raise Refusal(415, "send JSON with the header Content-Type: application/json")
        packed = request.headers.get("content-encoding", "").strip().lower()
        if packed not in ("", "identity"):
            raise Refusal(415, f"the body is packed ({packed[:_SHOWN]}): send it without Content-Encoding")
        body, size, most = bytearray(), 0, self.limits.body_bytes
        try:
            async with asyncio.timeout(self.limits.body_seconds):
                async for chunk in request.stream():
                    size += len(chunk)
                    if size <= most:
                        body += chunk
                    if size > _DISCARDED * most:
                        break
        except TimeoutError:
            problem = f"the body did not arrive within {self.limits.body_seconds:g} s: send it faster"
            raise Refusal(408, problem, Connection="close") from None
        if size > most:
            reason = say("the body has more than {most} bytes: send several requests", most=most)
            raise Refusal(413, reason, Connection="close")
        return bytes(body)

    async def healthz(self) -> Response:
        """Say whether texts are answered, by what, and what an answer depends on."""
        if not self.batcher.is_running:
            raise Refusal(503, say("the queue has ended by an error, which the log shows: start the server again"))
        facts = {"status": "ok", "model": self.predictor.name, "answers": self.predictor.note, "version": __version__}
        return JSONResponse(facts)

    async def metrics(self) -> Response:
        """Return counters for Prometheus."""
        return Response(self.batcher.meters.page(), media_type=_PROMETHEUS)

    async def page(self) -> Response:
        """Return a page to try it."""
        return pages.respond(
            "serve.html",
            title=self.predictor.name,
            about=say("Type or paste a text: the model says which class it is, and which words decided."),
            characters=self.limits.characters,
            needs_token=bool(self.address.token),
        )


def _plain(answer: Answer, top_k: int | None) -> dict[str, object]:
    prediction = answer.prediction if isinstance(answer, Explanation) else answer
    if top_k:
        ranked = sorted(prediction.probabilities.items(), key=lambda pair: -pair[1])
        prediction = prediction._replace(probabilities=dict(ranked[:top_k]))
    words = {"words": answer.words_with_weights()} if isinstance(answer, Explanation) else {}
    return {**prediction._asdict(), **words}


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def create(predictor: Predictor, address: Address, limits: Limits) -> FastAPI:
    """Return the ASGI application of a predictor."""
    meters = Meters()
    batcher = Batcher(predictor, limits, meters)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        batcher.start()
        try:
            yield
        finally:
            batcher.close()

    app = FastAPI(
        title=f"tithe: {predictor.name}", version=__version__, lifespan=lifespan, docs_url=None, redoc_url=None,
        description=f"Classifies texts. {predictor.note}",
    )  # fmt: skip
    _add_routes(app, Service(predictor, address, limits, batcher))

    def observe(path: str, status: int, seconds: float) -> None:
        meters.request(path if path in _PATHS else "other", status, seconds)

    app.add_middleware(Guard, rules=Rules(address, frozenset(_OPEN)), observe=observe)
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(ClientDisconnect, _left)
    app.add_exception_handler(HTTPException, _in_one_line)
    return app


def _add_routes(app: FastAPI, service: Service) -> None:
    app.add_api_route(
        "/predict", service.predict, methods=["POST"], summary="Classify texts", responses=questions.RESPONSES,
        openapi_extra={"requestBody": questions.BODY}, response_class=JSONResponse,
    )  # fmt: skip
    app.add_api_route("/healthz", service.healthz, summary="Whether texts are answered", response_class=JSONResponse)
    app.add_api_route("/metrics", service.metrics, summary="For Prometheus", response_class=PlainTextResponse)
    app.add_api_route("/", service.page, include_in_schema=False)
    for path, answer in (("/", service.page), ("/healthz", service.healthz)):  # monitors ask for the head alone
        app.add_api_route(path, answer, methods=["HEAD"], include_in_schema=False)


async def _refused(request: Request, error: Any) -> Response:
    return answered(error, request.headers)


async def _left(request: Request, error: Exception) -> Response:
    return Response(status_code=_GONE)


async def _in_one_line(request: Request, error: Any) -> Response:
    path = request.url.path[:_SHOWN]
    reasons = {
        404: f"nothing is at {path}: use POST /predict, GET /healthz, /metrics or /openapi.json, or / in a browser",
        405: f"{path} does not answer {request.method}: use POST for /predict, and GET for the rest",
    }
    reason = reasons.get(error.status_code, str(error.detail))
    return answered(Refusal(error.status_code, reason, **(error.headers or {})), request.headers)
