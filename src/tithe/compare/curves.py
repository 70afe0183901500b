"""Pictures of several runs in one frame, drawn without global state, as the bytes of PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import MaxNLocator

from tithe.arrays import Array
from tithe.report.canvas import COLOURS, canvas, colour, png, short_name

_DASHES = ("-", "--", ":", "-.")
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
    frame.set_title(title, fontsize=11, loc="left")
    frame.set_xlabel(x_label)
    frame.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=8))
    frame.grid(axis="y", color="#e4e7ec", linewidth=0.8)
    frame.set_axisbelow(True)
    if beside:
        figure.legend(frameon=False, fontsize=9, loc="outside right upper")
    elif len(lines) <= _RUNS_INSIDE:
        frame.legend(frameon=False, fontsize=9)
    return png(figure)


def _draw_run(frame: Any, run: int, line: Line, marked: bool) -> None:
    style = {"color": colour(run), "linestyle": _DASHES[run // len(COLOURS) % len(_DASHES)]}
    if line.faint_N is not None:
        frame.scatter(line.x_N, line.faint_N, s=5, color=colour(run), alpha=0.18, linewidths=0)
    frame.plot(
        line.x_N, line.y_N, label=short_name(line.name), linewidth=1.8, marker="o" if marked else "", ms=4, **style
    )


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
