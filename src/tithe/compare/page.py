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
from tithe.report.words import Phrase, in_english, say
from tithe.storage import freeze_proof

Row = tuple[Cell, list[Cell]]  # what is shown, and a cell for each run
Show = Callable[[Compared], Cell]
T = TypeVar("T")

_MOST_COLUMNS = 5  # more runs than these are rows
_LONGEST = 32
_WIDTH = 100  # of a table in a terminal; a wider one is continued below
_WIDEST_WINDOW = 101  # logged steps; a picture of a long run shows its course, not its every batch
_PART = "part"  # the look of a row that belongs to the one above it

# How loud the box of a kind of note is: "caution" where nothing else is given.
_GRADES = {
    **dict.fromkeys(("unfinished", "freeze", "data", "split", "best_by"), "grave"),
    **dict.fromkeys(("overfitting", "chance", "unjudged"), "mild"),
}
_NONE = Cell(MISSING, "off")
_SWITCHES = {None: say("unset"), True: say("yes"), False: say("no")}
_WORDS = {"steady": say("steady"), "restless": say("restless"), "jumpy": say("jumpy")}


def text(comparison: Comparison) -> str:
    """Return aligned tables for a terminal and the notes below them; the runs are columns while they are few."""
    names = [run.files.name for run in comparison.runs]
    differing = in_terminal(factor_rows(comparison)) or [("settings", ["all alike"] * len(names))]
    tables = [_aligned(names, rows) for rows in (differing, in_terminal(result_rows(comparison)))]
    lines = [f"! {note}" for note in comparison.notes]
    return "\n\n".join([*tables, *(["\n".join(lines)] if lines else [])])


def in_terminal(rows: Sequence[Row]) -> list[tuple[str, list[str]]]:
    """Return rows as a terminal shows them; what belongs to the row above it begins further right."""
    shown = ([in_english(cell.text) for cell in (label, *cells)] for label, cells in rows)
    return [
        ("  " * (label.look == _PART) + name, cells) for (label, _), (name, *cells) in zip(rows, shown, strict=True)
    ]


def _aligned(names: Sequence[str], rows: Sequence[tuple[str, list[str]]]) -> str:
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
    named = [] if shown or len(set(names)) == 1 else [(Cell(say("config")), [Cell(name) for name in names])]
    return named + [(Cell(key), [_setting(value) for value in values]) for key, values in comparison.settings.items()]


def _setting(value: Any) -> Cell:
    if value == NO_EFFECT:
        return Cell(say("no effect"), "off")
    if value is None or isinstance(value, bool):
        return Cell(_SWITCHES[value])
    return Cell(_shortened(f"{value:g}" if isinstance(value, float) else str(value)))


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"…{text[1 - _LONGEST :]}"


def result_rows(comparison: Comparison) -> list[Row]:
    """Return what came out, a cell for each run."""
    first = comparison.runs[0]
    alike = all(run.files.score == first.files.score for run in comparison.runs)
    named = first.files.score if alike else say("score")
    rows: list[tuple[Cell, Show]] = [
        (Cell(say("best validation {score}", score=named)), lambda run: _score(run, "best_val_score", alike)),
        (Cell(say("test {score}", score=named)), lambda run: _score(run, "test_score", alike)),
        (Cell("95 %", _PART), lambda run: _interval(run.interval, ".3f")),
        (Cell(_difference_name(first)), _difference),
        (Cell("95 %", _PART), lambda run: _interval(run.difference and run.difference[1:3], "+.3f")),
        (Cell(say("beyond chance"), _PART), lambda run: _verdict(run, first.files.score)),
        (Cell(say("epochs")), _epochs),
        (Cell(say("the best"), _PART), lambda run: Cell(str(run.best_epoch)) if run.best_epoch else _NONE),
        (Cell(say("optimizer steps")), lambda run: _count(run.effort.steps)),
        (Cell(say("rows seen")), lambda run: _count(run.effort.rows)),
        *_texts_cut(comparison),
        (Cell(say("wall time")), lambda run: _time(run.seconds)),
        (Cell(say("per epoch"), _PART), lambda run: _time(run.seconds_per_epoch)),
        (Cell(say("training loss")), lambda run: Cell(_WORDS[run.stability.word]) if run.stability else _NONE),
        (Cell(say("scatter"), _PART), lambda run: Cell(f"{run.stability.scatter:.2f}") if run.stability else _NONE),
        (Cell(say("spikes"), _PART), lambda run: Cell(str(run.stability.spikes)) if run.stability else _NONE),
        (Cell(say("overfitting")), _overfitting),
        (Cell(say("freeze")), _freeze),
        (Cell(say("parameters trained")), lambda run: _count(run.training.get("parameters_trained"))),
    ]
    return [(label, [cell(run) for run in comparison.runs]) for label, cell in rows]


def _score(run: Compared, name: str, alike: bool) -> Cell:
    value = run.score(name)
    return _NONE if value is None else Cell(f"{value:.4f}" if alike else f"{value:.4f} {run.files.score}")


def _interval(ends: Sequence[float] | None, form: str) -> Cell:
    if not ends:
        return _NONE
    low, high = (format(end, form) for end in ends)
    return Cell(say("{low} to {high}", low=low, high=high))


def _difference_name(first: Compared) -> Phrase:
    name, score = _shortened(first.files.name), first.files.resampled_score
    if score == first.files.score:
        return say("difference to {first}", first=name)
    return say("difference of {score} to {first}", score=score, first=name)


def _difference(run: Compared) -> Cell:
    return Cell(f"{run.difference.value:+.4f}") if run.difference else _NONE


def _verdict(run: Compared, score: str) -> Cell:
    if run.difference is None:
        return _NONE
    if not run.difference.beyond_chance:
        return Cell(say("no"))
    is_better = metrics.better(score, run.difference.value, 0.0)
    return Cell(say("better"), "better") if is_better else Cell(say("worse"), "worse")


def _count(number: int | None) -> Cell:
    return Cell(say("{number:,}", number=number)) if number is not None else _NONE


def _texts_cut(comparison: Comparison) -> Iterator[tuple[Cell, Show]]:
    """Yield a row for each part whose cut texts some run has counted."""
    parts = dict.fromkeys(part for run in comparison.runs for part in run.effort.cut)
    for part in parts:
        yield Cell(say("texts cut, {part}", part=part)), partial(_share_cut, part=part)


def _share_cut(run: Compared, part: str) -> Cell:
    share = run.effort.cut.get(part)
    return _NONE if share is None else Cell(f"{100 * share:.1f} %")


def _epochs(run: Compared) -> Cell:
    counts = {"done": run.effort.epochs, "planned": run.effort.planned}
    if run.effort.epochs == run.effort.planned:
        return Cell(str(run.effort.epochs))
    return Cell(
        say("{done} of {planned}, stopped early", **counts)
        if run.effort.early
        else say("{done} of {planned}", **counts)
    )


def _time(seconds: float | None) -> Cell:
    if seconds is None:
        return _NONE
    if seconds < 60:
        return Cell(say("{seconds} s", seconds=f"{seconds:.1f}"))
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return Cell(say("{minutes} min {seconds} s", minutes=minutes, seconds=f"{rest:02}"))
    return Cell(say("{hours} h {minutes} min", hours=minutes // 60, minutes=f"{minutes % 60:02}"))


def _overfitting(run: Compared) -> Cell:
    return Cell(f"{100 * run.overfitting.rise:+.0f} %") if run.overfitting else _NONE


def _freeze(run: Compared) -> Cell:
    frozen, proof = freeze_proof.asked(run.files.config), run.files.proof
    if frozen == "none":
        return Cell(say("none"))
    if proof is None:
        return Cell(say("{freeze}, not proven", freeze=frozen))
    if proof["holds"] and freeze_proof.agrees(proof, frozen):
        return Cell(say("{freeze}, proven", freeze=frozen))
    return Cell(say("{freeze}, BROKEN", freeze=frozen))


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
    head, *body = _turned([[Cell(""), *names], *([label, *cells] for label, cells in rows)])
    return Table(head, body)


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
