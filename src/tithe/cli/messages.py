"""What the commands write to stderr: the log, as much as `-q` and `-v` ask for; settings as the config names them."""

from __future__ import annotations

import contextlib
import functools
import inspect
import logging
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from tithe import console
from tithe.errors import TitheError
from tithe.runs.log import step_logger

logger = logging.getLogger("tithe")

# Not a part of a path.
_SETTING = re.compile(r"(?<![\w./-])(?:data|model|select)\.(\w+)(?![\w/-]|\.\w)")
OUT_OF_MEMORY = "out of memory: lower train.batch_size or model.max_length"

# What a message says of a config and of `--set`, for a command that has neither.
_ELSEWHERE = re.compile(r", or set data\.reader\b|; --set takes it as '[^']*'")


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
    handler.addFilter(console.one_line)
    return handler


def in_own_names(command: Callable[..., None]) -> Callable[..., None]:
    """Let the errors and the log of a command name settings as the config does that it is called with."""

    @functools.wraps(command)
    def call(**values: object) -> None:
        from tithe.config.own_names import OwnNames  # slow to import

        with _renamed(OwnNames(Path(str(values.get("config_file", values.get("source")))))):
            command(**values)

    return call


def in_option_names(command: Callable[..., None]) -> Callable[..., None]:
    """Let the errors and the log of a command that has neither a config nor `--set` name settings as its options."""
    options = {name: f"--{name.replace('_', '-')}" for name in inspect.signature(command).parameters}
    if "option" in options:
        options["options"] = options["option"]

    def names(message: str) -> str:
        return _SETTING.sub(lambda found: options.get(found[1], found[0]), _ELSEWHERE.sub("", message))

    @functools.wraps(command)
    def call(**values: object) -> None:
        with _renamed(names):
            command(**values)

    return call


@contextlib.contextmanager
def _renamed(names: Callable[[str], str]) -> Iterator[None]:
    def rename(record: logging.LogRecord) -> bool:
        record.msg, record.args = names(record.getMessage()), ()
        return True

    logger.addFilter(rename)
    try:
        yield
    except TitheError as error:
        error.args = tuple(map(names, error.lines))
        raise
    except MemoryError:
        raise TitheError(names(OUT_OF_MEMORY)) from None
    finally:
        logger.removeFilter(rename)


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
