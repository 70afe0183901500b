"""What every request passes first: the Host header, the origin and the token."""

from __future__ import annotations

import hmac
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from tithe.report.words import say
from tithe.web.address import Address
from tithe.web.refusals import Refusal, answered

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

Observe = Callable[[str, int, float], None]  # takes the path, the status and the seconds of a request


@dataclass(frozen=True)
class Rules:
    """What a request needs.

    Attributes
    ----------
    open_paths
        Answered without a token: a page that asks for one.
    same_origin
        Refuse what another page asks for; a link to `/` may come from anywhere.
    """

    address: Address
    open_paths: frozenset[str] = frozenset({"/"})
    same_origin: bool = False


class Guard:
    """An ASGI application before another one.

    Parameters
    ----------
    observe
        Called when a request is answered.
    """

    def __init__(self, app: ASGIApp, rules: Rules, observe: Observe | None = None) -> None:
        self._app, self._rules, self._observe = app, rules, observe
        self._hosts, self._token = rules.address.allowed_hosts, rules.address.token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request, or pass it on; report the status of its answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, path, status = time.monotonic(), scope["path"], 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            self._check(path, Headers(scope=scope))
            await self._app(scope, receive, noted)
        except Refusal as refusal:
            await answered(refusal, Headers(scope=scope))(scope, receive, noted)
        except Exception:
            status = 500
            raise
        finally:
            if self._observe:
                self._observe(path, status, time.monotonic() - begun)

    def _check(self, path: str, headers: Headers) -> None:
        host = headers.get("host", "")
        name = host[: host.find("]") + 1] if host.startswith("[") else host.partition(":")[0]
        if self._hosts and name.lower() not in self._hosts:
            given = json.dumps(host[:100])
            raise Refusal(400, say("the Host header is {host}: 'tithe serve' takes others by --allow-host", host=given))
        if self._rules.same_origin and _is_foreign(path, host, headers):
            raise Refusal(403, say("another page asked for this: open it at the address of this server"))
        if not self._token or path in self._rules.open_paths:
            return
        kind, _, given = headers.get("authorization", "").partition(" ")
        # Bytes of any value: a comparison of str refuses what is not ASCII.
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._token):
            reason = say("pass the server's token: Authorization: Bearer TOKEN")
            raise Refusal(401, reason, WWW_Authenticate="Bearer")


def _is_foreign(path: str, host: str, headers: Headers) -> bool:
    """Say whether a browser sends this for a page of another origin; of another port of this machine, too."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return True
    return path != "/" and headers.get("sec-fetch-site", "none") not in ("same-origin", "none")
