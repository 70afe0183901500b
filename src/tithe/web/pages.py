"""Pages of a server: a policy that lets nothing run but the page's own script, and no request leave for elsewhere."""

from __future__ import annotations

import secrets

from fastapi.responses import HTMLResponse

from tithe.report.html import render

_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{}'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
SAFE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}


def respond(template: str, policy: str = "", **values: object) -> HTMLResponse:
    """Return a page, rendered with a `nonce` for its scripts, which is used once.

    Parameters
    ----------
    policy
        What the page needs besides its own script and style, such as `img-src 'self'`.
    """
    nonce = secrets.token_urlsafe(16)
    whole = _POLICY.format(nonce) + (f"; {policy}" if policy else "")
    return HTMLResponse(render(template, nonce=nonce, **values), headers={**SAFE, "Content-Security-Policy": whole})
