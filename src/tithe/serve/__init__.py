"""Serve a trained classifier over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tithe import plugins
from tithe.serve.limits import Address, Limits

__all__ = ["Address", "Limits", "serve"]

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def serve(model: Path, address: Address, limits: Limits, exact: bool, announce: Callable[[str], None]) -> None:
    """Serve a run, or one of its checkpoints, until a signal stops it; see docs/serve.md.

    Parameters
    ----------
    exact
        Answer one text at a time in float32, as `tithe predict --exact` does.
    announce
        Called with the URL when requests are accepted.

    Raises
    ------
    InputError
        The extra `serve` is not installed, there is no such checkpoint, it is not one of texts, or the port is taken.
    Interrupted
        A second signal ended it before every request was answered.
    """
    for package in _PACKAGES:
        plugins.require(package, "serve")
    from tithe.serve import predictor, server

    with server.bound(address) as socket:
        alone = replace(limits, rows=1) if exact else limits
        server.run(predictor.open_checkpoint(model, exact), address, alone, socket, announce)
