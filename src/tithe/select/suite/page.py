"""A suite for people: a figure of means and intervals, and one self-contained page around it."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tithe import config, storage
from tithe.report.canvas import canvas, draw_grid, panels, png, series_style
from tithe.report.html import Image, Table, render
from tithe.report.palette import BAND, BLUE, INK, VERMILION
from tithe.report.unit_square import Style
from tithe.report.words import Phrase, in_english, say
from tithe.select.suite import standings, table
from tithe.select.suite.grid import Grid
from tithe.select.suite.trials import FILE
from tithe.select.suite.verdicts import LEVEL

Line = dict[str, Any]  # one of `standings.compute_standings`

_COLORS = {standings.BASELINE: INK, standings.RIVAL: VERMILION}
_APART = 1.012  # by what factor of the budget neighbouring strategies are drawn apart: their intervals would overlap


def write_results(
    folder: Path, base: config.Run, grid: Grid, results: Sequence[dict[str, Any]], command: Sequence[str]
) -> tuple[list[Line], str]:
    """Write `suite.json`, `suite.md` and the page of a suite's trials, which names the command that repeats them.

    Return the lines of its table as JSON values, and the table.

    Parameters
    ----------
    command
        That of this suite. Of an option that is given twice the last value counts: the repetition has its own folder.
    """
    lines = standings.compute_standings(results)
    text = table.text(lines, grid.training)
    about = {"equal_steps": grid.equal_steps, "head": grid.head, "notes": list(map(in_english, table.notes(lines)))}
    plain = standings.as_json(lines)
    content = {"track": table.track_of(lines), **about, "standings": plain, "trials": list(results)}
    storage.write_json(folder / FILE, content)
    storage.write_text(folder / "suite.md", text + "\n")
    encoder_name, data_name = Path(base.model.encoder).name, Path(base.data.path).name
    subtitle = say(
        "{encoder} on {data}, {seeds} {seeds:seed|seeds}, {trials} {trials:trial|trials}.",
        encoder=encoder_name,
        data=data_name,
        seeds=len(grid.seeds),
        trials=len(results),
    )
    again = shlex.join([*command, "--out", f"{folder}-again"])
    write_page(folder, lines, grid.training, subtitle, again)
    return plain, text


def write_page(folder: Path, lines: Sequence[Line], training: str | Phrase, about: str | Phrase, again: str) -> None:
    """Write `suite.html`, which needs no other file, `suite.png`, and for several budgets `suite_budgets.png`."""
    figures = {"suite.png": Image(draw_accuracy(lines), say("accuracy of each strategy"))}
    if len({line["budget"] for line in lines if line["strategy"] != standings.BASELINE}) > 1:
        figures["suite_budgets.png"] = Image(
            draw_budgets(lines), say("accuracy of each strategy by budget and by seconds")
        )
    for name, figure in figures.items():
        with storage.atomic_file(folder / name) as aside:
            aside.write_bytes(figure.png)
    tested = [line for line in lines if standings.is_tested(line)]
    contents = {
        "title": table.title(lines),
        "about": about,
        "figures": list(figures.values()),
        "standings": _table(lines, lambda column: column not in table.CONTROLS_HEAD),
        "controls": _table(lines, lambda column: column in (table.STRATEGY, table.OF_ALL, *table.CONTROLS_HEAD)),
        "verdicts": table.verdicts(lines),
        "options": table.options_of(lines),
        "reader": table.reader_of(lines),
        "tested": len(tested),
        "better": _beyond_chance(tested, 1),
        "worse": _beyond_chance(tested, -1),
        "notes": table.notes(lines),
        "steps": f"{lines[0]['steps']:,}" if lines[0]["steps"] else None,
        "training": training,
        "buys": table.track_of(lines) == "T0",
        "again": again,
    }
    storage.write_text(folder / "suite.html", render("suite.html", **contents))


def _table(lines: Sequence[Line], is_shown: Callable[[Phrase], bool]) -> Table:
    """Return some columns of the table, which as a whole is wider than a page."""
    places = [place for place, column in enumerate(table.HEAD) if is_shown(column)]
    rows: list[Sequence[str | Phrase]] = [table.head(lines), *map(table.cells, lines)]
    head, *body = ([row[place] for place in places] for row in rows)
    return Table(head, body)


def _beyond_chance(tested: Sequence[Line], sign: int) -> list[str]:
    """Return the names of lines that differ from random beyond chance in one direction."""
    gains = [(line, line["against_random"]) for line in tested]
    return [table.name_of(line) for line, gain in gains if gain["p_holm"] < LEVEL and sign * gain["difference"] > 0]


def draw_accuracy(lines: Sequence[Line]) -> bytes:
    """Return a PNG: the accuracy of each strategy with its interval, those of all rows and of random as lines."""
    figure, axes = canvas(8.6, 0.9 + 0.36 * len(lines))
    shown = list(reversed(lines))  # the first line of the table at the top
    for place, line in enumerate(shown):
        mean, half, color = line["accuracy"]["mean"], line["accuracy"]["half_width"], _color(line)
        axes.errorbar(mean, place, xerr=half or 0.0, color=color, fmt="o", markersize=5, capsize=3, linewidth=1.4)
        if line["strategy"] in _COLORS:
            axes.axvline(mean, color=color, linewidth=0.9, linestyle=":")
    axes.set_yticks(range(len(shown)), [table.name_of(line) for line in shown])
    draw_grid(axes, "x")
    axes.set_xlabel("test accuracy, mean and 95 % interval over seeds")
    axes.set_xlim(*_possible(axes.get_xlim()))
    return png(figure)


def draw_budgets(lines: Sequence[Line]) -> bytes:
    """Return a PNG: accuracy and interval of each strategy against the budget and against the seconds, and of all."""
    names = sorted({line["strategy"] for line in lines} - {standings.BASELINE})
    figure, (by_budget, by_seconds) = panels(12.4, 4.8, columns=2, share_y=True)
    for line in lines:
        if line["strategy"] == standings.BASELINE:
            _draw_reference(by_budget, line, "all rows")
            _draw_reference(by_seconds, line, None)
            by_seconds.plot(_seconds(line), line["accuracy"]["mean"], color=INK, marker="o", markersize=5)
    for place, (name, style) in enumerate(zip(names, _styles(names), strict=True)):
        own = [line for line in lines if line["strategy"] == name]
        apart = _APART ** (place - (len(names) - 1) / 2)
        _draw_curve(by_budget, [line["budget"] * apart for line in own], own, {"label": name, **style})
        _draw_curve(by_seconds, [_seconds(line) for line in own], own, style)
    _mark_budgets(by_budget, lines)
    _mark_seconds(by_seconds)
    by_budget.set_ylim(*_possible(by_budget.get_ylim()))
    figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    return png(figure)


def _possible(limits: Iterable[float]) -> list[float]:
    """Return the part of an axis that accuracies can have: intervals of few seeds reach far beyond it."""
    return [min(max(limit, -0.02), 1.02) for limit in limits]


def _seconds(line: Line) -> float:
    """Return what a line costs, above 0 so that it has a place on a logarithmic axis."""
    return max(1e-3, float(line["selection_seconds"] + line["train_seconds"]))


def _draw_curve(axes: Axes, x: Sequence[float], own: Sequence[Line], style: Style) -> None:
    means, halves = [], []
    for line in own:
        means.append(line["accuracy"]["mean"])
        halves.append(line["accuracy"]["half_width"] or 0.0)
    look = {"marker": "o", "markersize": 4, "capsize": 2, "elinewidth": 0.8, "linewidth": 1.3}
    axes.errorbar(x, means, halves, **{**look, **style})


def _mark_budgets(axes: Axes, lines: Sequence[Line]) -> None:
    """Draw the axis of the budgets: how many rows each is, in track T0 how many labels are bought."""
    rows = {line["budget"]: line["rows"] for line in lines if line["strategy"] != standings.BASELINE}
    axes.set_xscale("log")
    axes.set_xticks(list(rows), [f"{100 * budget:g} %\n{count:,}" for budget, count in rows.items()])
    axes.xaxis.set_minor_locator(NullLocator())
    draw_grid(axes, "y")
    axes.set_xlabel(f"{in_english(table.count_name(lines))}, and their share of the training rows")
    axes.set_ylabel("test accuracy, mean and 95 % interval over seeds")


def _mark_seconds(axes: Axes) -> None:
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: f"{seconds:g}"))
    axes.xaxis.set_minor_locator(NullLocator())
    draw_grid(axes, "y")
    axes.set_xlabel("seconds of selection and training (the single point: all rows)")


def _draw_reference(axes: Axes, line: Line, label: str | None) -> None:
    """Draw the accuracy on all rows, which have no budget, as a line with a band."""
    mean, half = line["accuracy"]["mean"], line["accuracy"]["half_width"] or 0.0
    axes.axhspan(mean - half, mean + half, color=BAND, zorder=0)
    axes.axhline(mean, color=INK, linewidth=1.2, linestyle=":", label=label)


def _styles(names: Sequence[str]) -> Iterator[Style]:
    """Yield the look of each strategy; only random has the color of the rival."""
    others = (style for place in itertools.count() if (style := series_style(place))["color"] not in _COLORS.values())
    for name in names:
        yield {"color": VERMILION, "linewidth": 2.4} if name == standings.RIVAL else next(others)


def _color(line: Line) -> str:
    return _COLORS.get(line["strategy"], BLUE)
