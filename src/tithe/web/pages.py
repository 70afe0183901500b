"""Pages of a server: a policy that lets nothing run but the page's own script, and no request leave for elsewhere."""

from __future__ import annotations

import secrets

from fastapi.responses import HTMLResponse

from tithe.report.html import render

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{}'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors {}"
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def respond(template: str, policy: str = "", framed: str = "'none'", **values: object) -> HTMLResponse:
    """Return a page, rendered with a `nonce` for its scripts, which is used once.

    Parameters
    ----------
    policy
        What the page needs besides its own script and style, such as `img-src 'self'`.
    framed
        Whose pages may have it in a frame.
    """
    nonce = secrets.token_urlsafe(16)
    whole = _POLICY.format(nonce, framed) + (f"; {policy}" if policy else "")
    return HTMLResponse(render(template, nonce=nonce, **values), headers={**SAFE, "Content-Security-Policy": whole})
