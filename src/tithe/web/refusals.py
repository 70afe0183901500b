"""Answers that are not predictions: a status and one line of JSON."""

from __future__ import annotations


class Refusal(Exception):
    """A request that is not answered, with the reason in one line.

    Attributes
    ----------
    status
        HTTP status. Of 5xx there are 503 (too busy to answer in time, or stopping) and 500 (the model failed).
    headers
        Of the response, such as `Retry-After`.
    """

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}


def busy(status: int, message: str, seconds: float) -> Refusal:
    """Return a refusal that says after how many seconds to try again."""
    return Refusal(status, message, Retry_After=str(max(1, round(seconds))))
