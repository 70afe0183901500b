"""The command `tithe`: parse the arguments, then import only what the chosen command needs."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterator
from typing import Annotated, Any, NoReturn

import typer

from tithe import __version__, console
from tithe.cli.config import config_app
from tithe.cli.data import data_app
from tithe.cli.export import export_app
from tithe.cli.label import label_app
from tithe.cli.messages import OUT_OF_MEMORY, Quiet, Verbose, log_to_stderr
from tithe.cli.predict import predict_app
from tithe.cli.runs import proof_app
from tithe.cli.select import select_app
from tithe.cli.serve import serve_app
from tithe.cli.train import train_app
from tithe.cli.tune import tune_app
from tithe.errors import Interrupted, TitheError

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train classifiers on all of the data, or on the tenth of it that matters, and prove what was done.",
)  # fmt: skip
app.add_typer(train_app)
app.add_typer(predict_app)
app.add_typer(export_app)
app.add_typer(data_app)
app.add_typer(select_app)
app.add_typer(label_app)
app.add_typer(serve_app)
app.add_typer(tune_app)
app.add_typer(proof_app)
app.add_typer(config_app, name="config")


_NAME, _COMPLETE = "tithe", "_TITHE_COMPLETE"


def root_command() -> Any:
    """Return the parser, every command of which has the options of `tithe` itself for messages."""
    root = typer.main.get_command(app)
    options = [option for option in root.params if option.name in ("quiet", "verbose")]
    for command in _commands(root):
        command.params += options
    return root


def _commands(group: Any) -> Iterator[Any]:
    for command in group.commands.values():
        if hasattr(command, "commands"):
            yield from _commands(command)
        else:
            yield command


def main() -> NoReturn:
    """Run the command line; every expected failure is one line on stderr and an exit code."""
    console.open_streams()
    with log_to_stderr() as handler:
        code = _run(handler)
    sys.exit(code)


def _run(handler: logging.Handler | None) -> int:
    """Run the command and return its exit code; `-q` and `-v` change what the handler of the log prints."""
    command = root_command()
    if _COMPLETE in os.environ:  # a shell asks for completions
        command.main(prog_name=_NAME)
    try:
        # Not app(): typer would turn Ctrl-C and a closed pipe into its own exit codes.
        with command.make_context(_NAME, sys.argv[1:], obj=handler) as context:
            context.command.invoke(context)
    except Interrupted as error:
        _print_error(str(error))
        return error.exit_code
    except TitheError as error:
        for line in error.lines:  # one, but for the mistakes of a config
            _print_error(f"error: {line}")
        return error.exit_code
    except KeyboardInterrupt:
        _print_error("interrupted")
        return 130
    except BrokenPipeError:
        console.close_broken_stdout()  # the reader has closed the pipe
    except MemoryError:
        _print_error(f"error: {OUT_OF_MEMORY}")
        return 1
    except OSError as error:
        console.close_broken_stdout()
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
        console.echo(message)
        return 2
    context = getattr(error, "ctx", None)
    _print_error(f"error: {' '.join(message.split())}{f' (see {context.command_path} --help)' if context else ''}")
    return 2


def _print_error(text: str) -> None:
    """Print an error; a value in it may be of any length, and what can be done is at the end."""
    text = console.printable(text)
    with contextlib.suppress(OSError):  # what read the messages has ended with the terminal
        console.echo(text if len(text) <= 900 else f"{text[:600]} … {text[-200:]}", err=True)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", "-V", help="Print the version.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    if version:
        console.echo(f"tithe {__version__}")
        raise typer.Exit
