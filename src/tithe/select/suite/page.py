"""A suite for people: a figure of means and intervals, and one self-contained page around it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.report.canvas import canvas, draw_grid, png
from tithe.report.html import Image, Table, render
from tithe.report.palette import BLUE, INK, VERMILION
from tithe.select.suite import standings

Line = dict[str, Any]  # one of `standings.compute_standings`

_COLORS = {standings.BASELINE: INK, standings.RIVAL: VERMILION}
_LEVEL = 0.05  # p-values below it are beyond chance


def write_page(folder: Path, lines: Sequence[Line], equal_steps: bool, about: str) -> None:
    """Write `suite.png` and `suite.html`, which needs no other file."""
    accuracy = draw_accuracy(lines)
    with storage.atomic_file(folder / "suite.png") as aside:
        aside.write_bytes(accuracy)
    tested = [line for line in lines if line["against_random"] and line["against_random"]["p"] is not None]
    contents = {
        "title": "Strategies compared",
        "about": about,
        "accuracy": Image(accuracy, "accuracy of each strategy"),
        "standings": Table(standings.HEAD, [standings.cells(line) for line in lines]),
        "tested": len(tested),
        "better": _beyond_chance(tested, 1),
        "worse": _beyond_chance(tested, -1),
        "notes": standings.notes(lines),
        "steps": f"{lines[0]['steps']:,}",
        "equal_steps": equal_steps,
    }
    storage.write_text(folder / "suite.html", render("suite.html", **contents))


def _beyond_chance(tested: Sequence[Line], sign: int) -> list[str]:
    """Return the names of lines that differ from random beyond chance in one direction."""
    gains = [(line, line["against_random"]) for line in tested]
    return [standings.name_of(line) for line, gain in gains if gain["p"] < _LEVEL and sign * gain["difference"] > 0]


def draw_accuracy(lines: Sequence[Line]) -> bytes:
    """Return a PNG: the accuracy of each strategy with its interval, those of all rows and of random as lines."""
    figure, axes = canvas(8.6, 0.9 + 0.36 * len(lines))
    shown = list(reversed(lines))  # the first line of the table at the top
    for place, line in enumerate(shown):
        mean, half, color = line["accuracy"]["mean"], line["accuracy"]["half_width"], _color(line)
        axes.errorbar(mean, place, xerr=half or 0.0, color=color, fmt="o", markersize=5, capsize=3, linewidth=1.4)
        if line["strategy"] in _COLORS:
            axes.axvline(mean, color=color, linewidth=0.9, linestyle=":")
    axes.set_yticks(range(len(shown)), [standings.name_of(line) for line in shown])
    draw_grid(axes, "x")
    axes.set_xlabel("test accuracy, mean and 95 % interval over seeds")
    return png(figure)


def _color(line: Line) -> str:
    return _COLORS.get(line["strategy"], BLUE)
