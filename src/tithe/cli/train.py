"""Commands that train: train, quickstart."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from tithe.cli.messages import in_own_names
from tithe.cli.options import AsJson, ConfigFile, Set, path, print_json, quiet_libraries
from tithe.console import echo
from tithe.storage import run_files

if TYPE_CHECKING:  # slow to import
    from tithe.runs.finish import Outcome

train_app = typer.Typer(rich_markup_mode=None)


class Language(StrEnum):
    """The language of the quickstart's texts."""

    en = "en"
    ru = "ru"


class Start(NamedTuple):
    """The data set that a quickstart fetches, what it changes in a config, and the text that it classifies."""

    dataset: str
    sections: dict[str, dict[str, Any]]
    text: str


# Russian needs another encoder, twice as deep: its head alone is trained, on features computed once.
STARTS = {
    Language.en: Start(
        "reviews",
        {"model": {"max_length": 64}, "train": {"epochs": 1, "batch_size": 16}},
        "A quiet, clever film that stays with you long after the credits.",
    ),
    Language.ru: Start(
        "packages_ru",
        {
            "model": {"encoder": "e5-small", "freeze": "all", "max_length": 128},
            "train": {"epochs": 20, "batch_size": 32, "learning_rate": 5e-3, "log_every_steps": 100},
        },
        "Игра-головоломка: соберите одинаковые камни в ряд, пока не вышло время.",
    ),
}


@train_app.command(epilog="Example: tithe quickstart")
def quickstart(
    out: Annotated[
        Path | None, typer.Option(parser=path, help="Run directory; runs/quickstart-TIME when unset.")
    ] = None,
    lang: Annotated[Language, typer.Option(help="Language of the texts.")] = Language.en,
    settings: Set = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a small data set, train on it, evaluate, and predict one text."""
    from tithe import config, pipeline, storage
    from tithe.fetch import catalog, e5_small
    from tithe.predict import load

    if out:
        storage.check_writable_folder(out)
    start = STARTS[lang]
    with quiet_libraries():
        if start.sections["model"].get("encoder") == e5_small.NAME:
            e5_small.ENCODER.fetch()
        data = {"path": str(catalog.fetch(start.dataset))}
        raw = {"name": "quickstart", "out": str(out) if out else None, "data": data, **start.sections}
        outcome = pipeline.train(config.parse(raw, settings or (), source="quickstart"))
        prediction = load(outcome.best).predict([start.text])[0]
    if as_json:
        print_json({**_summary(outcome), "text": start.text, "label": prediction.label})
        return
    print_scores(outcome.scores)
    echo(f'\n"{start.text}"\n→ {prediction.label} ({prediction.probability:.0%})\n')
    echo(f"report      {outcome.home / run_files.REPORT}")
    echo(f"use it      tithe predict {outcome.best} 'your text'")


@train_app.command(epilog="Example: tithe train config.yaml --set train.epochs=2 --out runs/first")
@in_own_names
def train(
    config_file: ConfigFile,
    settings: Set = None,
    out: Annotated[Path | None, typer.Option(parser=path, help="Run directory.")] = None,
    resume: Annotated[
        Path | None, typer.Option(parser=path, help="Checkpoint, folder of checkpoints, or 'auto'.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Overwrite an existing run.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a classifier, evaluate it and write a report."""
    from tithe import config

    run = config.load(config_file, settings or ())
    if out:
        run = run.model_copy(update={"out": str(out)})
    if resume:
        run = run.model_copy(update={"checkpoint": run.checkpoint.model_copy(update={"resume": str(resume)})})
    from tithe import pipeline

    with quiet_libraries():
        outcome = pipeline.train(run, overwrite)
    if as_json:
        print_json(_summary(outcome))
        return
    print_scores(outcome.scores)
    if run.task == "image":
        _print_beside(outcome.home)
    echo(f"\nbest checkpoint  {outcome.best}\nreport           {outcome.home / run_files.REPORT}")
    echo(f"final weights    sha256 {outcome.scores['training']['final_weights_sha256']}")


def _summary(outcome: Outcome) -> dict[str, Any]:
    return {"home": str(outcome.home), "checkpoint": str(outcome.best), **outcome.scores}


def _print_beside(home: Path) -> None:
    """Print what a detector's AUC must be compared with: that of plain statistics, and that of file formats alone."""
    from tithe import storage

    baseline = storage.read_json(home / run_files.DETAILS).get("baseline")
    leak = storage.read_json(home / run_files.DATA_REPORT)["splits"]["format_leak"]
    echo()
    if baseline:
        echo(f"AUC of plain statistics      {baseline['auc']:.4f}  ({baseline['rows']} images, a regression)")
    if leak["auc"] is not None:
        echo(f"AUC of file formats alone    {leak['auc']:.4f}  (up to {leak['chance']:.4f} may be chance)")


def print_scores(parts: dict[str, Any]) -> None:
    """Print the scores of all parts of the data, one column each."""
    from tithe.report.result import SCORES, parts_of

    shown = parts_of(parts)
    echo(f"\n{'':<20}" + "".join(f"{name:>12}" for name in shown))
    for key in SCORES:
        if not any(key in parts[name] for name in shown):
            continue
        values = (parts[name][key] for name in shown)
        cells = ("–" if v is None else f"{v}" if isinstance(v, int) else f"{v:.4f}" for v in values)
        label = "  calibrated" if key == "calibration_error_calibrated" else key  # below the one of the network
        echo(f"{label:<20}" + "".join(f"{cell:>12}" for cell in cells))
