"""Answers that are not what was asked for: a status and one line, as JSON for programs and as a page for people."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi.responses import JSONResponse, Response

from tithe.report.words import Phrase, in_english, say
from tithe.web import pages


class Refusal(Exception):
    """A request that is not answered, with the reason in one line.

    Attributes
    ----------
    status
        HTTP status. Of 5xx there are 503 (too busy to answer in time, or stopping) and 500 (the model failed).
    reason
        One that pages show is a phrase, in both languages.
    headers
        Of the response, such as `Retry-After`.
    """

    def __init__(self, status: int, reason: str | Phrase, **headers: str) -> None:
        super().__init__(in_english(reason))
        self.status, self.reason = status, reason
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def busy(status: int, reason: str | Phrase, seconds: float) -> Refusal:
    """Return a refusal that says after how many seconds to try again."""
    return Refusal(status, reason, Retry_After=str(max(1, round(seconds))))


def answered(refusal: Refusal, headers: Mapping[str, str]) -> Response:
    """Return a refusal as a response: a page where a browser asks for one to show, else JSON.

    `error` is English, for programs; `says` has a reason by language, for the scripts of pages.
    """
    if "text/html" in headers.get("accept", ""):
        page = pages.respond("base.html", framed="'self'", title=say("Nothing to show"), about=refusal.reason)
        page.status_code = refusal.status
        page.headers.update(refusal.headers)
        return page
    says = {"says": refusal.reason.both} if isinstance(refusal.reason, Phrase) else {}
    return JSONResponse({"error": str(refusal), **says}, refusal.status, refusal.headers)
