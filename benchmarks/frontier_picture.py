"""One picture of what shares of the rows are worth, from the suites that `frontier.py` left in its `--out`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from common import RESULTS
from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from tithe import storage
from tithe.report.canvas import draw_grid, panels, save, series_style
from tithe.report.palette import INK
from tithe.select.suite import standings, trials

Line = dict[str, Any]
TRACKS = {"T0": "labels bought", "T1": "rows kept, all labels known"}


def main() -> None:
    """Draw a row of panels for each track, a panel for each data set."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="the `--out` of frontier.py")
    parser.add_argument("--sets", default="reviews,imdb,reuters_r8,manpages_ru,packages_ru")
    parser.add_argument("--way", default="frozen")
    asked = parser.parse_args()
    sets = asked.sets.split(",")
    figure, cells = panels(2.6 * len(sets), 5.4, rows=len(TRACKS), columns=len(sets))
    names: list[str] = ["random"]
    places = iter(cells)
    for track, unit in TRACKS.items():
        for data in sets:
            axes = next(places)
            _draw(axes, asked.folder / track / asked.way / data / trials.FILE, names)
            axes.set_title(data, fontsize=10, loc="left")
            axes.set_xlabel(unit, fontsize=9)
            if data == sets[0]:
                axes.set_ylabel("share of the accuracy on all rows", fontsize=9)
    shown = {
        name: handle for axes in cells for handle, name in zip(*axes.get_legend_handles_labels(), strict=True)
    }  # each name once
    figure.legend(shown.values(), shown.keys(), frameon=False, fontsize=9, loc="outside upper right", ncols=4)
    save(figure, RESULTS / f"frontier_{asked.way}.png")


def _draw(axes: Axes, file: Path, names: list[str]) -> None:
    """Draw the share of the full accuracy of each strategy, with the 95 % interval of its accuracy, by budget."""
    lines: list[Line] = storage.read_json(file)["standings"]
    (whole,) = (line["accuracy"]["mean"] for line in lines if line["strategy"] == standings.BASELINE)
    for name in dict.fromkeys(line["strategy"] for line in lines if line["strategy"] != standings.BASELINE):
        if name not in names:
            names.append(name)
        own = sorted((line for line in lines if line["strategy"] == name), key=lambda line: line["budget"])
        budgets, shares = [line["budget"] for line in own], [line["accuracy"]["mean"] / whole for line in own]
        widths = [line["accuracy"]["half_width"] / whole for line in own]
        axes.errorbar(budgets, shares, widths, label=name, marker="o", markersize=3, **series_style(names.index(name)))
    axes.axhline(1, color=INK, linewidth=0.8, label="all rows")
    axes.set_xscale("log")
    axes.set_xticks([0.01, 0.1, 0.5], ["1 %", "10 %", "50 %"])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.0f} %")
    draw_grid(axes, "y")


if __name__ == "__main__":
    main()
