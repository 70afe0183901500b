"""A suite for people: a figure of means and intervals, and one self-contained page around it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tithe import storage
from tithe.report.canvas import canvas, draw_grid, png, series_style
from tithe.report.html import Image, Table, render
from tithe.report.palette import BAND, BLUE, INK, VERMILION
from tithe.report.unit_square import Style
from tithe.select.suite import standings

Line = dict[str, Any]  # one of `standings.compute_standings`

_COLORS = {standings.BASELINE: INK, standings.RIVAL: VERMILION}
_LEVEL = 0.05  # corrected p-values below it are beyond chance
_APART = 1.012  # by what factor of the budget neighbouring strategies are drawn apart: their intervals would overlap


def write_page(folder: Path, lines: Sequence[Line], equal_steps: bool, about: str) -> None:
    """Write `suite.html`, which needs no other file, `suite.png`, and for several budgets `suite_budgets.png`."""
    figures = {"suite.png": Image(draw_accuracy(lines), "accuracy of each strategy")}
    if len({line["budget"] for line in lines if line["strategy"] != standings.BASELINE}) > 1:
        figures["suite_budgets.png"] = Image(draw_budgets(lines), "accuracy of each strategy by budget")
    for name, figure in figures.items():
        with storage.atomic_file(folder / name) as aside:
            aside.write_bytes(figure.png)
    tested = [line for line in lines if standings.is_tested(line)]
    contents = {
        "title": "Strategies compared",
        "about": about,
        "figures": list(figures.values()),
        "standings": Table(standings.HEAD, [standings.cells(line) for line in lines]),
        "options": standings.options_of(lines),
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
    return [
        standings.name_of(line) for line, gain in gains if gain["p_holm"] < _LEVEL and sign * gain["difference"] > 0
    ]


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


def draw_budgets(lines: Sequence[Line]) -> bytes:
    """Return a PNG: the accuracy of each strategy and its interval against the budget, and that of all rows."""
    names = sorted({line["strategy"] for line in lines} - {standings.BASELINE})
    figure, axes = canvas(9.6, 4.8)
    for line in lines:
        if line["strategy"] == standings.BASELINE:
            _draw_reference(axes, line)
    for place, (name, style) in enumerate(zip(names, _styles(names), strict=True)):
        own = [line for line in lines if line["strategy"] == name]
        apart = _APART ** (place - (len(names) - 1) / 2)
        axes.errorbar(
            [line["budget"] * apart for line in own],
            [line["accuracy"]["mean"] for line in own],
            [line["accuracy"]["half_width"] or 0.0 for line in own],
            **{
                "label": name,
                "marker": "o",
                "markersize": 4,
                "capsize": 2,
                "elinewidth": 0.8,
                "linewidth": 1.3,
                **style,
            },
        )
    budgets = sorted({line["budget"] for line in lines if line["strategy"] != standings.BASELINE})
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{100 * budget:g} %" for budget in budgets])
    axes.xaxis.set_minor_locator(NullLocator())
    draw_grid(axes, "y")
    axes.set_xlabel("budget, share of the training rows")
    axes.set_ylabel("test accuracy, mean and 95 % interval over seeds")
    figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    return png(figure)


def _draw_reference(axes: Axes, line: Line) -> None:
    """Draw the accuracy on all rows, which have no budget, as a line with a band."""
    mean, half = line["accuracy"]["mean"], line["accuracy"]["half_width"] or 0.0
    axes.axhspan(mean - half, mean + half, color=BAND, zorder=0)
    axes.axhline(mean, color=INK, linewidth=1.2, linestyle=":", label="all rows")


def _styles(names: Sequence[str]) -> Iterator[Style]:
    """Yield the look of each strategy; only random has the color of the rival."""
    others = (style for place in itertools.count() if (style := series_style(place))["color"] not in _COLORS.values())
    for name in names:
        yield {"color": VERMILION, "linewidth": 2.4} if name == standings.RIVAL else next(others)


def _color(line: Line) -> str:
    return _COLORS.get(line["strategy"], BLUE)
