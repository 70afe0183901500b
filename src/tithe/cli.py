"""The command `tithe`: parse, then import what the chosen command needs, and nothing else."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from tithe import __version__
from tithe.cli_config import AsJson, ConfigFile, Set, config_app, print_json, quiet_libraries
from tithe.cli_data import data_app
from tithe.cli_proof import proof_app
from tithe.cli_select import select_app
from tithe.cli_tune import tune_app
from tithe.errors import InputError, Interrupted, TitheError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False,
    help="Train classifiers on all of the data, or on the tenth of it that matters, and prove what was done.",
)  # fmt: skip
app.add_typer(data_app)
app.add_typer(select_app)
app.add_typer(tune_app)
app.add_typer(proof_app)
app.add_typer(config_app, name="config")


def main() -> NoReturn:
    """Run the command line; every foreseen failure is one line on stderr and an exit code."""
    _log_to_stderr()
    try:
        # Not app(): typer turns Ctrl-C and a closed pipe into exit codes of its own.
        with typer.main.get_command(app).make_context("tithe", sys.argv[1:]) as context:
            context.command.invoke(context)
        code = 0
    except Interrupted as error:
        _say(str(error))
        code = error.exit_code
    except TitheError as error:
        _say(f"error: {error}")
        code = error.exit_code
    except KeyboardInterrupt:
        _say("interrupted")
        code = 130
    except BrokenPipeError:
        sys.stdout = open(os.devnull, "w")  # noqa: PTH123, SIM115  the reader has gone: nothing is left to say
        code = 0
    except MemoryError:
        _say("error: out of memory: lower train.batch_size or model.max_length")
        code = 1
    except OSError as error:
        _say(f"error: {error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        code = 1
    except Exception as error:
        code = _usage(error)
    sys.exit(code)


def _usage(error: Exception) -> int:
    """Print what the parser found wrong in one line; anything else is a defect and keeps its traceback."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, typer.Abort):
        _say("interrupted")
        return 130
    # The parser's own errors are known by what they can do: typer has carried two parsers so far.
    if not hasattr(error, "format_message"):
        raise error
    message = error.format_message()
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(message)
        return 2
    context = getattr(error, "ctx", None)
    _say(f"error: {' '.join(message.split())}{f' (see {context.command_path} --help)' if context else ''}")
    return 2


def _say(text: str) -> None:
    typer.echo(text, err=True)


def _log_to_stderr() -> None:
    logger = logging.getLogger("tithe")
    logger.setLevel(logging.DEBUG)
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setLevel(logging.INFO)
        handler.setFormatter(logging.Formatter("%(message)s"))
        logger.addHandler(handler)


@app.callback(invoke_without_command=True)
def _root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"tithe {__version__}")
        raise typer.Exit


@app.command(epilog="Example: tithe quickstart")
def quickstart(
    out: Annotated[Path | None, typer.Option(help="Run directory; runs/quickstart-TIME when unset.")] = None,
    settings: Set = None,
) -> None:
    """Fetch a small data set, train on it, evaluate, and predict one text."""
    from tithe import config, fetch, pipeline, trained

    with quiet_libraries():
        raw = {
            "name": "quickstart",
            "out": str(out) if out else None,
            "data": {"path": str(fetch.fetch("reviews"))},
            "model": {"max_length": 64},
            "train": {"epochs": 1, "batch_size": 16},
        }
        outcome = pipeline.train(config.parse(raw, settings or (), source="quickstart"))
        _print_scores(outcome.scores)
        text = "A quiet, clever film that stays with you long after the credits."
        prediction = trained.load(outcome.best).predict([text])[0]
        typer.echo(f'\n"{text}"\n→ {prediction.label} ({prediction.probability:.0%})\n')
        typer.echo(f"report      {outcome.home / 'report.html'}")
        typer.echo(f"use it      tithe predict {outcome.best} 'your text'")


@app.command(epilog="Example: tithe train config.yaml --set train.epochs=2 --out runs/first")
def train(
    config_file: ConfigFile,
    settings: Set = None,
    out: Annotated[Path | None, typer.Option(help="Run directory.")] = None,
    resume: Annotated[str | None, typer.Option(help="Checkpoint, folder of checkpoints, or 'auto'.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Delete the run that lies there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train, evaluate and report."""
    from tithe import config

    run = config.load(config_file, settings or ())
    if out:
        run = run.model_copy(update={"out": str(out)})
    if resume:
        run = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": resume})})
    from tithe import pipeline

    with quiet_libraries():
        outcome = pipeline.train(run, overwrite)
    if as_json:
        print_json({"home": str(outcome.home), "checkpoint": str(outcome.best), **outcome.scores})
        return
    _print_scores(outcome.scores)
    typer.echo(f"\nbest checkpoint  {outcome.best}\nreport           {outcome.home / 'report.html'}")
    typer.echo(f"final weights    sha256 {outcome.scores['training']['final_weights_sha256']}")


@app.command(epilog="Example: tithe evaluate -c runs/first/checkpoints/best --out artifacts/first")
def evaluate(
    checkpoint: Annotated[
        Path | None, typer.Option("-c", "--checkpoint", help="Checkpoint, or a file inside one.")
    ] = None,
    config_file: Annotated[
        Path | None,
        typer.Option("--config", metavar="CONFIG", help="The same as a file; what is given besides counts before it."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Labelled file; the run's own splits when unset.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for numbers and pictures; artifacts/NAME when unset.")
    ] = None,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a checkpoint on its validation and test rows, or on another file."""
    from tithe import evaluating as evaluation
    from tithe import trained

    given = {"checkpoint_path": checkpoint, "dataset_path": data}
    asked = evaluation.asked(config_file, settings or (), given)
    with quiet_libraries():
        model = trained.load(asked.checkpoint_path)
        folder = out or Path(asked.artifacts_dir) / (asked.name or model.run.name)
        results = evaluation.checkpoint(model, asked, folder)
    if as_json:
        print_json(results)
        return
    _print_scores(results)
    typer.echo(f"\nnumbers and pictures in {folder}")


@app.command(epilog="Example: tithe predict runs/first/checkpoints/best 'what a film'")
def predict(
    checkpoint: Annotated[Path, typer.Argument(help="Checkpoint, folder of checkpoints, or a file inside one.")],
    texts: Annotated[
        list[str] | None, typer.Argument(help="Texts, or images and folders; standard input, a line each, when none.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--input", "-i", help="Parquet, CSV, JSONL or plain text file; a folder of images.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Parquet, CSV, JSON or JSONL file to write.")
    ] = None,
    text_column: Annotated[str, typer.Option(help="Column of the texts in the input file.")] = "text",
    batch_size: Annotated[int, typer.Option(min=1, help="Texts in memory at once.")] = 64,
    as_json: AsJson = False,
) -> None:
    """Classify texts, with the probability of every class; or score images, real or fake."""
    from tithe import predictions

    if texts and source:
        raise InputError("give texts or --input, not both")
    with quiet_libraries():
        rows, shown = predictions.of(checkpoint, texts, source, text_column, batch_size)
        if output:
            count = predictions.write(output, rows)
            typer.echo(f"{count} predictions in {output}", err=True)
            return
        for row in rows:
            typer.echo(json.dumps(row, ensure_ascii=False) if as_json else shown(row))


def _print_scores(parts: dict[str, Any]) -> None:
    shown = [name for name in ("validation", "test", "data") if name in parts]
    typer.echo(f"\n{'':<20}" + "".join(f"{name:>12}" for name in shown))
    for key in ("accuracy", "f1", "f1_weighted", "auc_roc", "auc_pr", "calibration_error", "rows"):
        values = (parts[name][key] for name in shown)
        cells = ("–" if v is None else f"{v}" if isinstance(v, int) else f"{v:.4f}" for v in values)
        typer.echo(f"{key:<20}" + "".join(f"{cell:>12}" for cell in cells))
