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
    from tithe.serve import exported, predictor, server
    from tithe.train import memory

    with memory.few_kernels(), server.bound(address) as socket:
        alone = replace(limits, rows=1) if exact else limits
        open_model = exported.open_export if is_export(model) else predictor.open_checkpoint
        server.run(open_model(model, exact), address, alone, socket, announce)
