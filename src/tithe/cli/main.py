"""The command `tithe`: parse the arguments, then import only what the chosen command needs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Annotated, NoReturn

import typer

from tithe import __version__
from tithe.cli.config import config_app
from tithe.cli.data import data_app
from tithe.cli.predict import predict_app
from tithe.cli.runs import proof_app
from tithe.cli.select import select_app
from tithe.cli.train import train_app
from tithe.cli.tune import tune_app
from tithe.errors import Interrupted, TitheError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Train classifiers on all of the data, or on the tenth of it that matters, and prove what was done.",
)  # fmt: skip
app.add_typer(train_app)
app.add_typer(predict_app)
app.add_typer(data_app)
app.add_typer(select_app)
app.add_typer(tune_app)
app.add_typer(proof_app)
app.add_typer(config_app, name="config")


def main() -> NoReturn:
    """Run the command line; every expected failure is one line on stderr and an exit code."""
    with _log_to_stderr():
        code = _run()
    sys.exit(code)


def _run() -> int:
    """Run the command and return its exit code."""
    try:
        # Not app(): typer would turn Ctrl-C and a closed pipe into its own exit codes.
        with typer.main.get_command(app).make_context("tithe", sys.argv[1:]) as context:
            context.command.invoke(context)
    except Interrupted as error:
        _print_error(str(error))
        return error.exit_code
    except TitheError as error:
        _print_error(f"error: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  the reader has closed the pipe
    except MemoryError:
        _print_error("error: out of memory: lower train.batch_size or model.max_length")
        return 1
    except OSError as error:
        _print_error(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return 1
    except Exception as error:
        return _exit_code(error)
    return 0


def _exit_code(error: Exception) -> int:
    """Print a parser error in one line and return the exit code; any other error is a bug and keeps its traceback."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        _print_error("interrupted")
        return 130
    # Parser errors are recognised by this method: typer has used two parsers so far, with different classes.
    if not hasattr(error, "format_message"):
        raise error
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
        return 2
    context = getattr(error, "ctx", None)
    _print_error(f"error: {' '.join(message.split())}{f' (see {context.command_path} --help)' if context else ''}")
    return 2


def _print_error(text: str) -> None:
    typer.echo(text, err=True)


@contextlib.contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Print the log while the block runs, unless the caller's own handlers have it."""
    logger = logging.getLogger("tithe")
    level, own = logger.level, [] if logger.handlers else [_console()]
    logger.setLevel(logging.DEBUG)
    for handler in own:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in own:
            logger.removeHandler(handler)
        logger.setLevel(level)


def _console() -> logging.Handler:
    handler = logging.StreamHandler()
    handler.setLevel(logging.INFO)
    handler.setFormatter(logging.Formatter("%(message)s"))
    return handler


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"tithe {__version__}")
        raise typer.Exit
