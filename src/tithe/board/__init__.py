"""Runs, suites and searches of a folder on a page, live while they run; nothing is written, torch is never imported."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tithe import plugins
from tithe.errors import InputError

__all__ = ["board"]

_PACKAGES = ("fastapi", "uvicorn")


def board(folder: Path, port: int, announce: Callable[[str], None]) -> None:
    """Show a folder to this machine's browsers until a signal stops it; see docs/board.md.

    Parameters
    ----------
    port
        0 for any that is free.
    announce
        Called with the URL when requests are accepted.

    Raises
    ------
    InputError
        The extra `board` is not installed, the folder does not exist, or the port is taken.
    """
    if not folder.is_dir():
        problem = "it is not a folder" if folder.exists() else f"the folder does not exist (seen from {Path.cwd()})"
        raise InputError(f"{folder}: {problem}: pass one with runs, or with folders of runs")
    for package in _PACKAGES:
        plugins.require(package, "board")
    from tithe.board import app
    from tithe.board.shelf import Shelf
    from tithe.web import server
    from tithe.web.address import Address

    address, shelf = Address(port=port), Shelf(folder)
    with server.bound(address) as socket:
        service = server.Service(app.create(shelf, address), app.CONNECTIONS, app.SECONDS, shelf.stop)
        server.run(service, address, socket, announce)
