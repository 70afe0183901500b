"""The HTTP interface of the board: a page, a stream of changes, and what the page asks for."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException

from tithe.board import maps, pictures, points
from tithe.board.shelf import Shelf
from tithe.board.students import as_csv, students
from tithe.board.suites import SUITE_PAGE
from tithe.errors import InputError
from tithe.report import run_facts, words
from tithe.report.html import render
from tithe.report.words import Phrase, SaidError, say
from tithe.storage import run_files
from tithe.web import pages
from tithe.web.address import Address
from tithe.web.guard import Guard, Rules
from tithe.web.refusals import Refusal, answered

CONNECTIONS = 128  # open at once
SECONDS = 10.0  # for a comparison that is under way when the board is stopped
_STREAMS = 32
_TICK, _QUIET = 0.2, 15.0  # seconds between looks at the shelf, and between signs of life
_MOST_COMPARED = 12
# A report is what a run, perhaps of somebody else, wrote: it may run its own scripts, and reach nothing with them.
_REPORT_POLICY = (
    "sandbox allow-scripts allow-downloads; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data:; font-src data:; base-uri 'none'; form-action 'none'"
)
_COMPARE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'self'"
)
_LISTED = {"mistake": say("mistake"), "near_copy": say("near copy"), "chosen": say("chosen")}
_OWN = {**pages.SAFE, "Cross-Origin-Resource-Policy": "same-origin"}


@dataclass
class Board:
    """The answers to each path."""

    shelf: Shelf
    streams: int = 0
    comparing: threading.Lock = field(default_factory=threading.Lock)

    async def page(self) -> Response:
        """Return the board."""
        return pages.respond(
            "board.html", "img-src 'self'; frame-src 'self'",
            title=say("Board: {folder}", folder=self.shelf.root.name or "/"), about=str(self.shelf.root),
        )  # fmt: skip

    async def events(
        self, after: str = "", last_event_id: Annotated[str, Header(alias="last-event-id")] = ""
    ) -> Response:
        """Return rows as they change, as server-sent events; each has the version to go on from."""
        if self.streams >= _STREAMS:
            raise Refusal(
                503, say("{most} {most:page is|pages are} open already: close one", most=_STREAMS), Retry_After="5"
            )
        headers = {**_OWN, "X-Accel-Buffering": "no"}
        return StreamingResponse(self._stream(last_event_id or after), media_type="text/event-stream", headers=headers)

    async def _stream(self, version: str) -> AsyncIterator[str]:
        self.streams += 1
        quiet = _QUIET
        try:
            with self.shelf.viewed():
                yield "retry: 1000\n\n"
                while not self.shelf.is_stopped:
                    if version != self.shelf.version:
                        update = self.shelf.since(version)
                        version, quiet = update.version, 0.0
                        yield f"id: {version}\ndata: {json.dumps(update._asdict())}\n\n"
                    elif quiet >= _QUIET:
                        quiet = 0.0
                        yield ": still here\n\n"
                    await asyncio.sleep(_TICK)
                    quiet += _TICK
        finally:
            self.streams -= 1

    def points(self, key: str, file: str = "", start: Annotated[int, Query(ge=0)] = 0) -> Response:
        """Return the points of a run's curves that are new since the last answer."""
        try:
            return _json(points.read_points(self._home(key), file, start))
        except OSError:
            raise Refusal(404, say("this run has no history yet")) from None

    def compare(self, run: Annotated[list[str], Query(min_length=1, max_length=_MOST_COMPARED)]) -> Response:
        """Return the page of `tithe compare` for some runs, or why there is none."""
        from tithe.compare import compare_runs  # with matplotlib, which takes longer to load than the board
        from tithe.compare.page import as_html

        homes = [self._home(key) for key in run]
        try:
            with self.comparing:
                html = as_html(compare_runs(homes))
        except SaidError as error:
            html = render("base.html", title=say("No comparison"), about=error.phrase)
        except Exception as error:  # runs of others may be damaged in any way
            kind = "" if isinstance(error, InputError) else f"{type(error).__name__}: "
            about = say("One of the runs is damaged: {problem}", problem=f"{kind}{error}")
            html = render("base.html", title=say("No comparison"), about=about)
        return Response(html, headers={**_OWN, "Content-Security-Policy": _COMPARE_POLICY}, media_type="text/html")

    def report(self, key: str) -> Response:
        """Return the page that a run or a suite wrote, without any right."""
        home = self._home(key)
        for name in (run_files.REPORT, SUITE_PAGE):
            file = home / name
            if file.is_file() and file.resolve().parent == home.resolve():
                return FileResponse(
                    file, headers={**_OWN, "Content-Security-Policy": _REPORT_POLICY}, media_type="text/html"
                )
        raise Refusal(404, say("there is no report yet"))

    def map(self, key: str) -> Response:
        """Return the points of a selection with their texts."""
        return _json(_readable(maps.read_map, self._home(key)))

    def pictures(self, key: str) -> Response:
        """Return what a run on images lists: files, and why."""
        listed = _readable(pictures.listed, self._home(key))
        return _json([{"file": each.name, "why": _why(each.why).both, "label": each.label} for each in listed])

    def picture(self, key: str, number: int) -> Response:
        """Return a small picture of one of these files."""
        listed = _readable(pictures.listed, self._home(key))
        content = pictures.thumbnail(listed[number].path) if 0 <= number < len(listed) else None
        if content is None:
            raise Refusal(404, say("this picture, or its file, is not there any more"))
        return Response(content, headers=_OWN, media_type="image/jpeg")

    def students(self, by: Literal["name", "folder"] = "name") -> Response:
        """Return a row for each student."""
        return _json(students(self.shelf.rows, by))

    def students_csv(self, by: Literal["name", "folder"] = "name") -> Response:
        """Return the same as a file for a spreadsheet, which takes it for UTF-8 by the mark at its beginning."""
        headers = {**_OWN, "Content-Disposition": 'attachment; filename="students.csv"'}
        text = "\ufeff" + as_csv(students(self.shelf.rows, by))
        return Response(text, headers=headers, media_type="text/csv; charset=utf-8")

    def _home(self, key: str) -> Path:
        home = self.shelf.home(key)
        if home is None:
            raise Refusal(404, say("this run is not there any more"))
        return home


def _readable(read: Any, home: Path) -> Any:
    """Return what a function reads of a run, or refuse: the files of others may be damaged in any way."""
    try:
        return read(home)
    except Refusal:
        raise
    except Exception as error:
        raise Refusal(404, say("this can't be read: {problem}", problem=words.reason(error))) from None


def _why(listed: str) -> Phrase:
    """Return why a picture is listed: for what it is, or for what it was left out."""
    return (
        _LISTED[listed]
        if listed in _LISTED
        else say("left out: {reason}", reason=run_facts.DROPPED.get(listed, listed))
    )


def _json(value: object) -> Response:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return Response(text, headers=_OWN, media_type="application/json")


def create(shelf: Shelf, address: Address) -> FastAPI:
    """Return the ASGI application of a shelf, which is followed while the application runs."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        following = threading.Thread(target=shelf.follow, name="shelf", daemon=True)
        following.start()
        try:
            yield
        finally:
            shelf.stop()
            await asyncio.to_thread(following.join)

    app = FastAPI(title="tithe board", lifespan=lifespan, docs_url=None, redoc_url=None, openapi_url=None)
    board = Board(shelf)
    for path, answer in (
        ("/", board.page), ("/events", board.events), ("/compare", board.compare), ("/students", board.students),
        ("/students.csv", board.students_csv), ("/run/{key}/points", board.points), ("/run/{key}/report", board.report),
        ("/run/{key}/map", board.map), ("/run/{key}/pictures", board.pictures),
        ("/run/{key}/pictures/{number}", board.picture),
    ):  # fmt: skip
        app.add_api_route(path, answer, response_class=Response)
    app.add_middleware(Guard, rules=Rules(address, same_origin=True))
    app.add_exception_handler(Refusal, _refused)
    app.add_exception_handler(HTTPException, _in_one_line)
    app.add_exception_handler(RequestValidationError, _wrong)
    return app


async def _refused(request: Request, error: Any) -> Response:
    return answered(error, request.headers)


async def _in_one_line(request: Request, error: Any) -> Response:
    reason = say("nothing is at this address") if error.status_code == 404 else str(error.detail)
    return answered(Refusal(error.status_code, reason, **(error.headers or {})), request.headers)


async def _wrong(request: Request, error: Any) -> Response:
    problems: Sequence[Any] = error.errors()
    reason = "; ".join(f"{each['loc'][-1]}: {each['msg']}" for each in problems)
    return answered(Refusal(422, reason), request.headers)
