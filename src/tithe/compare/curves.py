"""Curves of several runs in one frame, as the bytes of PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tithe.arrays import Array
from tithe.report.canvas import canvas, draw_grid, draw_legend, png, series_color, series_style, set_title, short_name

_RUNS_INSIDE, _NAMED_RUNS = 6, 20  # beyond these a legend hides its picture: it stands beside it, or nowhere


class Line(NamedTuple):
    """One run's values, of shape (N,), against steps or epochs; `faint_N`, if given, stands behind them as points."""

    name: str
    x_N: Sequence[int]
    y_N: Sequence[float] | Array
    faint_N: Sequence[float] | None = None


def draw(lines: Sequence[Line], title: str, x_label: str, wide: bool = False) -> bytes:
    """Draw runs in one frame; one without values has its name in the legend and nothing else."""
    beside = _RUNS_INSIDE < len(lines) <= _NAMED_RUNS
    figure, frame = canvas((9.0 if wide else 4.8) + 2.0 * beside, 3.6 if wide else 3.4)
    for run, line in enumerate(lines):
        _draw_run(frame, run, line, marked=not wide)
    frame.set_ylim(*_limits(lines))
    set_title(frame, title)
    frame.set_xlabel(x_label)
    frame.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    draw_grid(frame, "y")
    if beside:
        figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    elif len(lines) <= _RUNS_INSIDE:
        draw_legend(frame)
    return png(figure)


def _draw_run(frame: Axes, run: int, line: Line, marked: bool) -> None:
    if line.faint_N is not None:
        frame.scatter(line.x_N, line.faint_N, s=5, color=series_color(run), alpha=0.18, linewidths=0)
    style = {**series_style(run), "linewidth": 1.8, "marker": "o" if marked else "", "ms": 4}
    frame.plot(line.x_N, line.y_N, label=short_name(line.name), **style)


def _limits(lines: Sequence[Line]) -> tuple[float, float]:
    """Keep the curves in sight, and most of the points; the highest spikes may leave the frame."""
    y_N = np.concatenate([np.asarray(line.y_N, dtype=float) for line in lines] or [np.zeros(1)])
    faint_N = np.concatenate([np.asarray(line.faint_N or (), dtype=float) for line in lines])
    if not len(y_N):
        return 0.0, 1.0
    if len(faint_N):
        return 0.0, 1.05 * max(float(y_N.max()), float(np.percentile(faint_N, 98)), 1e-3)
    room = 0.12 * float(np.ptp(y_N)) or 0.05
    return float(y_N.min()) - room, float(y_N.max()) + room
