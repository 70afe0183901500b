"""Serve a trained classifier over HTTP."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from tithe import plugins
from tithe.serve.limits import Limits
from tithe.web.address import Address

__all__ = ["Address", "Limits", "serve"]

logger = logging.getLogger("tithe")

_PACKAGES = ("fastapi", "uvicorn", "prometheus_client")


def serve(model: Path, address: Address, limits: Limits, exact: bool, announce: Callable[[str], None]) -> None:
    """Serve a run, one of its checkpoints, or an export, until a signal stops it; see docs/serve.md.

    Parameters
    ----------
    exact
        Answer one text at a time in float32, as `tithe predict --exact` does.
    announce
        Called with the URL when requests are accepted.

    Raises
    ------
    TitheError
        A file of an export has changed.
    InputError
        The extra `serve` is not installed, there is no such checkpoint, it is not one of texts, or the port is taken.
    Interrupted
        A second signal ended it before every request was answered.
    """
    for package in _PACKAGES:
        plugins.require(package, "serve")
    from tithe.export import is_export
    from tithe.serve import app, exported, predictor
    from tithe.train import memory
    from tithe.web import server

    with memory.few_kernels(), server.bound(address) as socket:
        alone = replace(limits, rows=1) if exact else limits
        open_model = exported.open_export if is_export(model) else predictor.open_checkpoint
        made = app.create(open_model(model, exact), address, alone)
        if not address.is_loopback and not address.token:
            logger.warning("without --token-file everyone who reaches %s can use the model", address.shown_host)
        service = server.Service(made, limits.connections, limits.answer_seconds + limits.body_seconds)
        server.run(service, address, socket, announce)
