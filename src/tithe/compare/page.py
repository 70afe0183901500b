"""A comparison for people: a table in a terminal, and one self-contained HTML page with curves."""

from __future__ import annotations

import base64
import html as markup
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tithe import metrics, storage
from tithe.compare import NO_EFFECT, Compared, Comparison, curves
from tithe.compare.cautions import Note
from tithe.compare.stability import WINDOW, running_median
from tithe.report.canvas import series_color
from tithe.report.html import STYLE, section
from tithe.storage import freeze_proof

Row = tuple[str, list[str]]  # what is shown, and a cell for each run

_MOST_COLUMNS = 5  # more runs than these stand below each other
_LONGEST = 32
_WIDEST_WINDOW = 101  # logged steps; a picture of a long run shows its course, not its every batch
_NOTHING = "–"
_PART = "  "  # before the name of a row that belongs to the one above it

_OWN_STYLE = """
.notes { list-style:none; padding:0; margin:1.6rem 0; }
.notes li { background:#fff8eb; border-left:.25rem solid #e0a030; border-radius:.4rem; margin:.55rem 0;
  padding:.6rem .9rem; }
.notes li.grave { background:#fdf1ef; border-color:#c2542d; }
.notes li.mild { background:var(--soft); border-color:#b6bfcc; }
.notes li.fine { background:#eef7f2; border-color:#2b8a5e; }
.notes p { margin:.1rem 0; } .notes b { font-weight:600; }
.scroll { max-height:none; }
.across table { table-layout:fixed; } .across th:first-child { width:12rem; }
.across th { overflow-wrap:anywhere; vertical-align:bottom; }
.down th, .down td { white-space:nowrap; padding-right:1.1rem; }
td:first-child { color:var(--quiet); } .down td:first-child { color:var(--ink); }
td.part { padding-left:1.1rem; }
td.off { color:var(--quiet); } td.better, td.worse { color:#1f7a50; font-weight:600; } td.worse { color:#b3401d; }
.run { display:inline-block; width:.65rem; height:.65rem; border-radius:50%; margin-right:.45rem; }
.wide img { width:100%; }
dt { font-weight:600; margin-top:.7rem; } dd { margin:0; max-width:48rem; color:var(--quiet); }
"""

# How loud the box of a kind of note is; one that is not here is in between.
_GRADES = {
    **dict.fromkeys(("unfinished", "freeze", "data", "split", "best_by"), "grave"),
    **dict.fromkeys(("overfitting", "chance", "unjudged"), "mild"),
}
_LOOKS = {NO_EFFECT: "off", _NOTHING: "off", "better": "better", "worse": "worse"}
_LEGEND = {
    "difference, beyond chance": (
        "The same test rows are drawn 2,000 times with replacement for both runs. Where the interval of the difference "
        "holds 0, another choice of test rows might have turned it round. It says nothing of the luck of the seed: "
        "for that, repeat both runs with other seeds. Of twenty runs that are equally good, one will seem to differ."
    ),
    "stability of the loss": (
        "How far the loss of single batches strays from its running median, as a share of the loss of guessing, ln C; "
        "a spike strays by more than that. Small batches scatter more by nature: compare runs of the same batch size. "
        "A loss that jumps often means that the learning rate is too high."
    ),
    "overfitting": (
        "By how much the validation loss rose after its minimum. The best epoch is kept whatever comes after it, so "
        "this costs time rather than quality."
    ),
    "curves": "The line of the training loss is its running median, the points are single batches; a run's colour is "
    "the same in every picture.",
    "time": "From the start to the end of training, preparing the data included.",
    NO_EFFECT: "The run has no use for this setting, because of another one of its settings.",
}


def text(comparison: Comparison) -> str:
    """Return aligned tables for a terminal and the notes below them; the runs are columns while they are few."""
    names = [run.files.name for run in comparison.runs]
    differing = factor_rows(comparison) or [("settings", ["all alike"] * len(names))]
    tables = [_aligned(names, rows) for rows in (differing, result_rows(comparison))]
    lines = [f"! {note}" for note in comparison.notes]
    return "\n\n".join([*tables, *(["\n".join(lines)] if lines else [])])


def _aligned(names: Sequence[str], rows: Sequence[Row]) -> str:
    grid = _grid(names, rows)
    widths = [max(len(line[column]) for line in grid) for column in range(len(grid[0]))]
    lines = (
        "  ".join(cell.rjust(width) if column else cell.ljust(width) for column, (cell, width) in enumerate(cells))
        for cells in (list(zip(line, widths, strict=True)) for line in grid)
    )
    return "\n".join(line.rstrip() for line in lines)


def _grid(names: Sequence[str], rows: Sequence[Row]) -> list[list[str]]:
    """Return head and body of a table, the runs as columns while they are few."""
    if len(names) <= _MOST_COLUMNS:
        return [["", *names], *([label, *cells] for label, cells in rows)]
    columns = [["", *names], *([label.strip(), *cells] for label, cells in rows)]
    return [list(line) for line in zip(*columns, strict=True)]


def factor_rows(comparison: Comparison) -> list[Row]:
    """Return the settings that differ, a cell for each run."""
    names = [str(run.files.config["name"]) for run in comparison.runs]
    told = all(name in run.files.name for name, run in zip(names, comparison.runs, strict=True))
    named = [] if told or len(set(names)) == 1 else [("config", names)]
    return named + [(key, [_setting(value) for value in values]) for key, values in comparison.factors.items()]


def _setting(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "unset", True: "yes", False: "no"}[value]
    shown = f"{value:g}" if isinstance(value, float) else str(value)
    return shown if len(shown) <= _LONGEST else f"…{shown[1 - _LONGEST :]}"


def result_rows(comparison: Comparison) -> list[Row]:
    """Return what came out, a cell for each run."""
    first = comparison.runs[0]
    alike = all(run.files.score == first.files.score for run in comparison.runs)
    named = first.files.score if alike else "score"
    rows: list[tuple[str, Callable[[Compared], str]]] = [
        (f"best validation {named}", lambda run: _score(run, "best_val_score", alike)),
        (f"test {named}", lambda run: _score(run, "test_score", alike)),
        (f"{_PART}95 %", lambda run: "{:.3f} to {:.3f}".format(*run.interval) if run.interval else _NOTHING),
        (f"difference to {first.files.name}", lambda run: f"{d.value:+.4f}" if (d := run.difference) else _NOTHING),
        (f"{_PART}95 %", lambda run: f"{d.low:+.3f} to {d.high:+.3f}" if (d := run.difference) else _NOTHING),
        (f"{_PART}beyond chance", lambda run: _verdict(run, first.files.score)),
        ("epochs", _epochs),
        (f"{_PART}the best", lambda run: str(run.best_epoch or _NOTHING)),
        ("time", lambda run: _time(run.seconds)),
        (f"{_PART}per epoch", lambda run: _time(run.seconds_per_epoch)),
        ("training loss", lambda run: run.stability.word if run.stability else _NOTHING),
        (f"{_PART}scatter", lambda run: f"{run.stability.scatter:.2f}" if run.stability else _NOTHING),
        (f"{_PART}spikes", lambda run: str(run.stability.spikes) if run.stability else _NOTHING),
        ("overfitting", lambda run: f"{100 * run.overfitting.rise:+.0f} %" if run.overfitting else _NOTHING),
        ("freeze", _freeze),
        ("parameters trained", lambda run: f"{n:,}" if (n := run.training.get("parameters_trained")) else _NOTHING),
    ]
    return [(label, [cell(run) for run in comparison.runs]) for label, cell in rows]


def _score(run: Compared, name: str, alike: bool) -> str:
    value = run.score(name)
    return _NOTHING if value is None else f"{value:.4f}" if alike else f"{value:.4f} {run.files.score}"


def _verdict(run: Compared, score: str) -> str:
    if run.difference is None:
        return _NOTHING
    if not run.difference.beyond_chance:
        return "no"
    return "better" if metrics.better(score, run.difference.value, 0.0) else "worse"


def _epochs(run: Compared) -> str:
    done, asked = len(run.files.checks), run.files.config["train"]["epochs"]
    return str(done) if done == asked else f"{done} of {asked}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return _NOTHING
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _freeze(run: Compared) -> str:
    asked, found = run.files.config["model"]["freeze"], run.files.proof
    if asked == "none":
        return "none"
    if found is None:
        return f"{asked}, not proven"
    return f"{asked}, {'proven' if found['holds'] and freeze_proof.agrees(found, asked) else 'BROKEN'}"


def html(comparison: Comparison, file: Path) -> None:
    """Write one page that needs no other file: the notes, what differs, what came out, the curves."""
    title = " · ".join(run.files.name for run in comparison.runs)
    differing = factor_rows(comparison)
    body = [
        f'<h1>Runs compared</h1><p class="quiet">{markup.escape(_about(comparison))}</p>',
        _notes(comparison.notes),
        section("What differs", _table(comparison, differing) if differing else "<p>No setting differs.</p>"),
        section("What came out", _table(comparison, result_rows(comparison))),
        section("Learning", _pictures(comparison)),
        section("How to read this", _definitions()),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{markup.escape(title)} · tithe</title><style>{STYLE}{_OWN_STYLE}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )
    storage.write_text(file, page)


def _about(comparison: Comparison) -> str:
    first, *others = comparison.runs
    count = "1 run" if len(others) == 1 else f"{len(others)} runs"
    encoder = Path(first.files.config["model"]["encoder"]).name
    return f"{count} beside {first.files.name}, the baseline: {encoder} on {first.files.data['file']}."


def _notes(notes: Sequence[Note]) -> str:
    """Return a box for each kind of note."""
    boxes: dict[str, list[str]] = {}
    for note in notes:
        names = markup.escape(", ".join(note.runs))
        boxes.setdefault(note.kind, []).append(f"<p><b>{names}</b>: {markup.escape(note.text)}</p>")
    shown = "".join(f'<li class="{_GRADES.get(kind, "")}">{"".join(lines)}</li>' for kind, lines in boxes.items())
    nothing = '<li class="fine">Nothing speaks against this comparison.</li>'
    return f'<ul class="notes">{shown or nothing}</ul>'


def _table(comparison: Comparison, rows: Sequence[Row]) -> str:
    names = [run.files.name for run in comparison.runs]
    head, *body = _grid(names, rows)
    across = len(names) <= _MOST_COLUMNS
    top = "".join(f"<th class=n>{_named(run, cell, across and run >= 0)}</th>" for run, cell in enumerate(head, -1))
    lines = "".join(_line(run, cells, across) for run, cells in enumerate(body))
    kind = "across" if across else "down"
    return f'<div class="scroll {kind}"><table><thead><tr>{top}</tr></thead><tbody>{lines}</tbody></table></div>'


def _line(run: int, cells: Sequence[str], across: bool) -> str:
    label, *values = cells
    shown = "".join(f'<td class="n {_LOOKS.get(value, "")}">{_breakable(value)}</td>' for value in values)
    part = " class=part" if across and label.startswith(_PART) else ""
    return f"<tr><td{part}>{_named(run, label, not across)}</td>{shown}</tr>"


def _breakable(value: str) -> str:
    """Return a cell's text that may go on in a new line after an underscore."""
    return markup.escape(value).replace("_", "_<wbr>")


def _named(run: int, name: str, is_run: bool) -> str:
    """Return a cell's text, that of a run with its colour."""
    dot = f'<span class="run" style="background:{series_color(run)}"></span>' if is_run else ""
    return f"{dot}{markup.escape(name.strip())}"


def _pictures(comparison: Comparison) -> str:
    found = comparison.runs
    score = found[0].files.score
    training = curves.draw([_training(run) for run in found], "Training loss", "optimizer step", wide=True)
    validation = [(name, _validation(found, name)) for name in (score if score != "loss" else "f1", "loss")]
    shown = "".join(_image(png, f"validation {name} by epoch") for name, png in validation)
    return f'<div class="wide">{_image(training, "training loss by step")}</div><div class="pictures">{shown}</div>'


def _training(run: Compared) -> curves.Line:
    steps = [record["step"] for record in run.files.steps]
    losses = [record["batch_loss"] for record in run.files.steps]
    window = min(max(WINDOW, len(losses) // 50), _WIDEST_WINDOW)
    median_N = running_median(np.asarray(losses), window) if losses else np.empty(0)
    return curves.Line(run.files.name, steps, median_N, faint_N=losses)


def _validation(found: Sequence[Compared], name: str) -> bytes:
    lines = [
        curves.Line(run.files.name, [r["epoch"] for r in run.files.checks], [r[name] for r in run.files.checks])
        for run in found
    ]
    return curves.draw(lines, f"Validation {name}", "epoch")


def _image(png: bytes, description: str) -> str:
    return f'<img alt="{description}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def _definitions() -> str:
    shown = "".join(f"<dt>{term}</dt><dd>{meaning}</dd>" for term, meaning in _LEGEND.items())
    return f"<dl>{shown}</dl>"
