"""The command that searches for settings: tune."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from tithe.cli.messages import in_own_names
from tithe.cli.options import AsJson, ConfigFile, Set, path, print_json, quiet_libraries
from tithe.console import echo
from tithe.storage import run_files

tune_app = typer.Typer(rich_markup_mode=None)

_COLUMNS = ("val_loss", "val_accuracy", "seconds")


@tune_app.command(epilog="Example: tithe tune config.yaml --trials 25 --out runs/search --then-train")
@in_own_names
def tune(
    config_file: ConfigFile,
    trials: Annotated[int | None, typer.Option(min=1, help="Number of trials; from the config when unset.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            parser=path,
            help="Folder of the search, may be shared by several processes; runs/NAME-tuning when unset.",
        ),
    ] = None,
    settings: Set = None,
    then_train: Annotated[
        bool, typer.Option("--then-train/--no-train", help="Train with the best settings, from new weights.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Search for good settings on a sample of the training rows; repeat the command to continue a search."""
    from tithe import config

    run = config.load(config_file, settings or ())
    values = (run.tune or config.Tune()).model_dump() | ({"trials": trials} if trials else {})
    run = run.model_copy(update={"tune": config.section(config.Tune, values, "tithe tune")})
    from tithe import pipeline, storage
    from tithe.runs import directory
    from tithe.train import devices
    from tithe.tune import search

    home = out or Path(f"runs/{run.name}-tuning")
    with quiet_libraries():
        accelerator = devices.accelerator(run.train.device, run.train.precision, run.train.careful_scaling)
        task = pipeline.check(run)
        if then_train:
            directory.check_free(run)  # now, and not after the search
        with storage.locked(home, shared=True):
            result = search.search(task, home, accelerator)
            tuned = result.run.model_copy(update={"tune": None})
            secret = {"track": {"neptune": {"api_token"}}}  # the mask would be read back as a token
            storage.write_json(home / "tuned.json", tuned.model_dump(mode="json", exclude=secret))
        outcome = pipeline.train(tuned) if then_train else None
    if as_json:
        trained = {"home": str(outcome.home), **outcome.scores} if outcome else None
        print_json({**result.summary, "tuned": str(home / "tuned.json"), "trained": trained})
        return
    echo(_table(result.summary))
    echo(f"\nuse it  tithe train {home / 'tuned.json'}")
    if outcome:
        scores = outcome.scores.get(run_files.TEST) or outcome.scores[run_files.VALIDATION]
        echo(f"accuracy {scores['accuracy']:.4f}, F1 {scores['f1']:.4f}; report {outcome.home / run_files.REPORT}")


def _table(summary: Mapping[str, Any]) -> str:
    """Return a Markdown table of all trials: the best first, then by loss, those without a loss last."""
    best = summary["best"]["number"]
    order = sorted(summary["trials"], key=lambda t: (t["number"] != best, t.get("val_loss", float("inf"))))
    names = list(dict.fromkeys(name for trial in order for part in trial["values"].values() for name in part))
    grid = [["trial", *_COLUMNS, *names, "end"]]
    for trial in order:
        values = {name: value for part in trial["values"].values() for name, value in part.items()}
        scores = [_cell(trial.get(name)) for name in _COLUMNS]
        grid.append([str(trial["number"]), *scores, *(_cell(values.get(name)) for name in names), trial["state"]])
    widths = [max(map(len, column)) for column in zip(*grid, strict=True)]
    grid.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |" for line in grid
    )


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
