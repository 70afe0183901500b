"""What every request passes first: the Host header and the token; and what is counted when it is answered."""

from __future__ import annotations

import hmac
import json
import time
from typing import TYPE_CHECKING

from fastapi.responses import JSONResponse
from starlette.datastructures import Headers

from tithe.serve.limits import Address
from tithe.serve.meters import Meters
from tithe.serve.refusals import Refusal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

OPEN = ("/", "/healthz")  # without a token: the page asks for one
PATHS = (*OPEN, "/predict", "/metrics", "/openapi.json")


class Guard:
    """An ASGI application before another one."""

    def __init__(self, app: ASGIApp, address: Address, meters: Meters) -> None:
        self._app, self._meters = app, meters
        self._hosts, self._token = address.allowed_hosts, address.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on; count it by its answer's status."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, path, status = time.monotonic(), scope["path"], 0

        async def counted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._check(path, Headers(scope=scope))
            await self._app(scope, receive, counted)
        except Refusal as refusal:
            await refused(refusal)(scope, receive, counted)
        except Exception:
            status = 500
            raise
        finally:
            self._meters.request(path if path in PATHS else "other", status, time.monotonic() - begun)

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if self._hosts and name.lower() not in self._hosts:
            raise Refusal(400, f"the Host header is {json.dumps(host[:100])}: allow it with --allow-host")
        if not self._token or path in OPEN:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        # Bytes of any value: a comparison of str refuses what is not ASCII.
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            raise Refusal(401, "pass the server's token: Authorization: Bearer TOKEN", WWW_Authenticate="Bearer")


def refused(refusal: Refusal) -> JSONResponse:
    """Return a refusal as a response."""
    return JSONResponse({"error": str(refusal)}, refusal.status, refusal.headers)
