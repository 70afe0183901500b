"""A comparison for people: a table in a terminal, and one self-contained HTML page with curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from tithe import metrics, storage
from tithe.compare import NO_EFFECT, Compared, Comparison, curves
from tithe.compare.cautions import Note
from tithe.compare.stability import WINDOW, running_median
from tithe.report.canvas import series_color
from tithe.report.html import MISSING, Cell, Image, Table, render
from tithe.report.words import Phrase, say
from tithe.storage import freeze_proof

Row = tuple[str, list[str]]  # what is shown, and a cell for each run
T = TypeVar("T")

_MOST_COLUMNS = 5  # more runs than these are rows
_LONGEST = 32
_WIDTH = 100  # of a table in a terminal; a wider one is continued below
_WIDEST_WINDOW = 101  # logged steps; a picture of a long run shows its course, not its every batch
_PART = "  "  # before the name of a row that belongs to the one above it

# How loud the box of a kind of note is: "caution" where nothing else is given.
_GRADES = {
    **dict.fromkeys(("unfinished", "freeze", "data", "split", "best_by"), "grave"),
    **dict.fromkeys(("overfitting", "chance", "unjudged"), "mild"),
}
# The rows of the page in both languages; a terminal has them in English.
_ROWS = {
    "beyond chance": say("beyond chance"),
    "epochs": say("epochs"),
    "the best": say("the best"),
    "optimizer steps": say("optimizer steps"),
    "rows seen": say("rows seen"),
    "wall time": say("wall time"),
    "per epoch": say("per epoch"),
    "training loss": say("training loss"),
    "scatter": say("scatter"),
    "spikes": say("spikes"),
    "overfitting": say("overfitting"),
    "freeze": say("freeze"),
    "parameters trained": say("parameters trained"),
}
_LOOKS = {NO_EFFECT: "off", MISSING: "off", "better": "better", "worse": "worse"}


def text(comparison: Comparison) -> str:
    """Return aligned tables for a terminal and the notes below them; the runs are columns while they are few."""
    names = [run.files.name for run in comparison.runs]
    differing = factor_rows(comparison) or [("settings", ["all alike"] * len(names))]
    tables = [_aligned(names, rows) for rows in (differing, result_rows(comparison))]
    lines = [f"! {note}" for note in comparison.notes]
    return "\n\n".join([*tables, *(["\n".join(lines)] if lines else [])])


def _aligned(names: Sequence[str], rows: Sequence[Row]) -> str:
    """Return a table; if it is too wide, several below each other, each with the first column."""
    shown = [_shortened(name) for name in names]
    head, *body = _turned([["", *shown], *([label, *cells] for label, cells in rows)])
    first, *columns = zip([cell.strip() for cell in head], *body, strict=True)
    blocks: list[list[list[str]]] = []
    for column in columns:
        justified = _justified(column, str.rjust)
        if not blocks or len("  ".join(line[0] for line in [*blocks[-1], justified])) > _WIDTH:
            blocks.append([_justified(first, str.ljust)])
        blocks[-1].append(justified)
    return "\n\n".join("\n".join("  ".join(cells).rstrip() for cells in zip(*block, strict=True)) for block in blocks)


def _justified(cells: Sequence[str], justify: Callable[[str, int], str]) -> list[str]:
    width = max(map(len, cells))
    return [justify(cell, width) for cell in cells]


def _in_columns(runs: int) -> bool:
    return runs <= _MOST_COLUMNS


def _turned(grid: list[list[T]]) -> list[list[T]]:
    """Return a table with a column for each run, or a row for each when there are many."""
    return grid if _in_columns(len(grid[0]) - 1) else [list(line) for line in zip(*grid, strict=True)]


def factor_rows(comparison: Comparison) -> list[Row]:
    """Return the settings that differ, a cell for each run."""
    names = [str(run.files.config["name"]) for run in comparison.runs]
    shown = all(name in run.files.name for name, run in zip(names, comparison.runs, strict=True))
    named = [] if shown or len(set(names)) == 1 else [("config", names)]
    return named + [(key, [_setting(value) for value in values]) for key, values in comparison.settings.items()]


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "unset", True: "yes", False: "no"}[value]
    return _shortened(f"{value:g}" if isinstance(value, float) else str(value))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def result_rows(comparison: Comparison) -> list[Row]:
    """Return what came out, a cell for each run."""
    first = comparison.runs[0]
    alike = all(run.files.score == first.files.score for run in comparison.runs)
    named = first.files.score if alike else "score"
    rows: list[tuple[str, Callable[[Compared], str]]] = [
        (f"best validation {named}", lambda run: _score(run, "best_val_score", alike)),
        (f"test {named}", lambda run: _score(run, "test_score", alike)),
        (f"{_PART}95 %", lambda run: "{:.3f} to {:.3f}".format(*run.interval) if run.interval else MISSING),
        (
            f"difference to {_shortened(first.files.name)}",
            lambda run: f"{d.value:+.4f}" if (d := run.difference) else MISSING,
        ),
        (f"{_PART}95 %", lambda run: f"{d.low:+.3f} to {d.high:+.3f}" if (d := run.difference) else MISSING),
        (f"{_PART}beyond chance", lambda run: _verdict(run, first.files.score)),
        ("epochs", _epochs),
        (f"{_PART}the best", lambda run: str(run.best_epoch or MISSING)),
        ("optimizer steps", lambda run: f"{run.effort.steps:,}"),
        ("rows seen", lambda run: f"{run.effort.rows:,}"),
        *_texts_cut(comparison),
        ("wall time", lambda run: _time(run.seconds)),
        (f"{_PART}per epoch", lambda run: _time(run.seconds_per_epoch)),
        ("training loss", lambda run: run.stability.word if run.stability else MISSING),
        (f"{_PART}scatter", lambda run: f"{run.stability.scatter:.2f}" if run.stability else MISSING),
        (f"{_PART}spikes", lambda run: str(run.stability.spikes) if run.stability else MISSING),
        ("overfitting", lambda run: f"{100 * run.overfitting.rise:+.0f} %" if run.overfitting else MISSING),
        ("freeze", _freeze),
        ("parameters trained", lambda run: f"{n:,}" if (n := run.training.get("parameters_trained")) else MISSING),
    ]
    return [(label, [cell(run) for run in comparison.runs]) for label, cell in rows]


def _score(run: Compared, name: str, alike: bool) -> str:
    value = run.score(name)
    return MISSING if value is None else f"{value:.4f}" if alike else f"{value:.4f} {run.files.score}"


def _verdict(run: Compared, score: str) -> str:
    if run.difference is None:
        return MISSING
    if not run.difference.beyond_chance:
        return "no"
    return "better" if metrics.better(score, run.difference.value, 0.0) else "worse"


def _texts_cut(comparison: Comparison) -> Iterator[tuple[str, Callable[[Compared], str]]]:
    """Yield a row for each part whose cut texts some run has counted."""
    parts = dict.fromkeys(part for run in comparison.runs for part in run.effort.cut)
    for part in parts:
        yield f"texts cut, {part}", partial(_share_cut, part=part)


def _share_cut(run: Compared, part: str) -> str:
    share = run.effort.cut.get(part)
    return MISSING if share is None else f"{100 * share:.1f} %"


def _epochs(run: Compared) -> str:
    done, planned = run.effort.epochs, run.effort.planned
    if done == planned:
        return str(done)
    return f"{done} of {planned}, stopped early" if run.effort.early else f"{done} of {planned}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return MISSING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _freeze(run: Compared) -> str:
    frozen, proof = run.files.config["model"]["freeze"], run.files.proof
    if frozen == "none":
        return "none"
    if proof is None:
        return f"{frozen}, not proven"
    return f"{frozen}, {'proven' if proof['holds'] and freeze_proof.agrees(proof, frozen) else 'BROKEN'}"


def write_page(comparison: Comparison, file: Path) -> None:
    """Write the page to a file."""
    storage.write_text(file, as_html(comparison))


def as_html(comparison: Comparison) -> str:
    """Return one page that needs no other file: the notes, what differs, what came out, the curves."""
    runs, differing = comparison.runs, factor_rows(comparison)
    score = runs[0].files.score
    contents = {
        "title": " · ".join(run.files.name for run in runs),
        "about": _about(comparison),
        "notes": _boxes(comparison.notes),
        "layout": "across" if _in_columns(len(runs)) else "down",
        "settings": _table(comparison, differing) if differing else None,
        "results": _table(comparison, result_rows(comparison)),
        "training": _training(runs),
        "validation": [_validation(runs, name) for name in (score if score != "loss" else "f1", "loss")],
        "no_effect": NO_EFFECT,
    }
    return render("compare.html", **contents)


def _about(comparison: Comparison) -> Phrase:
    first, *others = comparison.runs
    return say(
        "{runs} {runs:run|runs} beside {baseline}, the baseline: {encoder} on {file}.",
        runs=len(others),
        baseline=first.files.name,
        encoder=Path(first.files.config["model"]["encoder"]).name,
        file=first.files.data["file"],
    )


def _boxes(notes: Sequence[Note]) -> list[dict[str, object]]:
    """Return the notes of each kind, with how loud they are."""
    kinds: dict[str, list[Note]] = {}
    for note in notes:
        kinds.setdefault(note.kind, []).append(note)
    return [{"grade": _GRADES.get(kind, "caution"), "notes": alike} for kind, alike in kinds.items()]


def _table(comparison: Comparison, rows: Sequence[Row]) -> Table:
    names = [Cell(run.files.name, dot=series_color(place)) for place, run in enumerate(comparison.runs)]
    lines = [[_label(label), *(Cell(value, _LOOKS.get(value, "")) for value in values)] for label, values in rows]
    head, *body = _turned([[Cell(""), *names], *lines])
    return Table(head, body)


def _label(label: str) -> Cell:
    name = label.strip()
    return Cell(_ROWS.get(name, name), "part" if label.startswith(_PART) else "")


def _training(runs: Sequence[Compared]) -> Image:
    lines = [_training_line(run) for run in runs]
    return Image(curves.draw(lines, "Training loss", "optimizer step", wide=True), say("training loss by step"))


def _training_line(run: Compared) -> curves.Line:
    steps = [record["step"] for record in run.files.steps]
    losses = [record["batch_loss"] for record in run.files.steps]
    window = min(max(WINDOW, len(losses) // 50), _WIDEST_WINDOW)
    median_N = running_median(np.asarray(losses), window) if losses else np.empty(0)
    return curves.Line(run.files.name, steps, median_N, faint_N=losses)


def _validation(runs: Sequence[Compared], name: str) -> Image:
    lines = [
        curves.Line(run.files.name, [r["epoch"] for r in run.files.checks], [r[name] for r in run.files.checks])
        for run in runs
    ]
    return Image(curves.draw(lines, f"Validation {name}", "epoch"), say("validation {name} by epoch", name=name))
