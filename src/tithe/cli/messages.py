"""What the commands write to stderr: the log, as much of it as `-q` and `-v` ask for."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from tithe.runs.log import step_logger

logger = logging.getLogger("tithe")


@contextlib.contextmanager
def log_to_stderr() -> Iterator[logging.Handler | None]:
    """Print the log while the block runs; yield its handler, or None if the caller's own handlers have the log.

    Where there is no terminal, a line for each logged step is part of it; a terminal has them beside its bar.
    """
    level, handler = logger.level, None if logger.handlers else _console()
    logger.setLevel(logging.DEBUG)
    if handler:
        logger.addHandler(handler)
        if not sys.stderr.isatty():
            step_logger.addHandler(handler)
    try:
        yield handler
    finally:
        if handler:
            logger.removeHandler(handler)
            step_logger.removeHandler(handler)
        logger.setLevel(level)


def _console() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


def _be_quiet(context: typer.Context, wanted: bool) -> None:
    if wanted and isinstance(context.obj, logging.Handler):
        context.obj.setLevel(logging.WARNING)


def _be_verbose(context: typer.Context, wanted: bool) -> None:
    if wanted and isinstance(context.obj, logging.Handler):
        context.obj.setLevel(logging.INFO)
        context.obj.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
        step_logger.addHandler(context.obj)


# Options of `tithe` itself, which `main` adds to every command.
Quiet = Annotated[
    bool,
    typer.Option(
        "--quiet", "-q", callback=_be_quiet, expose_value=False, help="Print only results, warnings and errors."
    ),
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", "-v", callback=_be_verbose, expose_value=False,
        help="Print the time of each message, and every logged step also on a terminal.",
    ),
]  # fmt: skip
