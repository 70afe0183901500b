"""A suite for people: a picture of means and intervals, and one self-contained page around it."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.report.canvas import canvas, png
from tithe.report.html import STYLE, section
from tithe.select.suite import standings

_STRATEGY, _BASELINE, _RIVAL = "#0072b2", "#1d2433", "#d55e00"


def picture(lines: Sequence[dict[str, Any]]) -> bytes:
    """Return a PNG: the accuracy of each strategy with its interval, those of all rows and of random as lines."""
    figure, axes = canvas(8.6, 0.9 + 0.36 * len(lines))
    shown = list(reversed(lines))
    for place, line in enumerate(shown):
        half = line["accuracy"]["half_width"] or 0.0
        style = {"fmt": "o", "markersize": 5, "capsize": 3, "linewidth": 1.4}
        axes.errorbar(line["accuracy"]["mean"], place, xerr=half, color=_colour(line["strategy"]), **style)
    for line in lines:
        if line["strategy"] in (standings.BASELINE, standings.RIVAL):
            axes.axvline(line["accuracy"]["mean"], color=_colour(line["strategy"]), linewidth=0.9, linestyle=":")
    axes.set_yticks(range(len(shown)), [standings.name_of(line) for line in shown])
    axes.grid(axis="x", color="#e4e7ec", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.set_xlabel("test accuracy, mean and 95 % interval over seeds")
    return png(figure)


def _colour(strategy: str) -> str:
    return {standings.BASELINE: _BASELINE, standings.RIVAL: _RIVAL}.get(strategy, _STRATEGY)


def write_page(folder: Path, lines: Sequence[dict[str, Any]], equal_steps: bool, about: str) -> None:
    """Write `suite.png` and `suite.html`, which needs no other file."""
    png = picture(lines)
    with storage.atomic_file(folder / "suite.png") as aside:
        aside.write_bytes(png)
    image = f'<img alt="accuracy of each strategy" src="data:image/png;base64,{base64.b64encode(png).decode()}">'
    body = [
        f'<h1>Strategies compared</h1><p class="quiet">{html.escape(about)}</p>',
        section("Accuracy", image),
        section("Table", _table(lines)),
        section("How to read this", "".join(f"<p>{html.escape(text)}</p>" for text in _reading(lines, equal_steps))),
    ]
    page = (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Strategies compared · tithe</title><style>{STYLE} td {{ white-space:nowrap; }}</style></head>"
        f"<body>{''.join(body)}</body></html>"
    )
    storage.write_text(folder / "suite.html", page)


def _table(lines: Sequence[dict[str, Any]]) -> str:
    head, rows = standings.HEAD, [standings.cells(line) for line in lines]
    top = "".join(f"<th{' class=n' if i else ''}>{html.escape(cell)}</th>" for i, cell in enumerate(head))
    body = "".join(
        "<tr>"
        + "".join(f"<td{' class=n' if i else ''}>{html.escape(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f'<div style="overflow-x:auto"><table><thead><tr>{top}</tr></thead><tbody>{body}</tbody></table></div>'


def _reading(lines: Sequence[dict[str, Any]], equal_steps: bool) -> list[str]:
    """What the numbers allow to be said, and what they do not."""
    rivals = [line for line in lines if line["against_random"] and line["against_random"]["p"] is not None]
    better = [
        line for line in rivals if line["against_random"]["p"] < 0.05 and line["against_random"]["difference"] > 0
    ]
    worse = [line for line in rivals if line["against_random"]["p"] < 0.05 and line["against_random"]["difference"] < 0]
    said = [
        "Every seed splits the data anew and is the same for all strategies; random takes rows of each class in its "
        "share. Nothing was chosen on validation rows: the weights of the last step were tested.",
        f"Better than random beyond chance: {_names(better)}. Worse: {_names(worse)}. "
        f"Of {len(rivals)} comparisons at the 5 % level, {0.05 * len(rivals):.1f} would seem to differ by luck alone.",
    ]
    if not equal_steps:
        said.append("Trials had equal epochs: a tenth of the rows was also trained for a tenth of the steps.")
    return said


def _names(lines: Sequence[dict[str, Any]]) -> str:
    return ", ".join(standings.name_of(line) for line in lines) or "none"
