"""Figures whose axes both run from 0 to 1: curves of rates, and reliability diagrams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes

from tithe.arrays import Array
from tithe.metrics.classification import Reliability
from tithe.report.palette import MUTED

_MANY, _GRID = 20_000, 4000  # points of a curve that are thinned out, and places on each side of a figure
Style = Mapping[str, Any]  # keywords of matplotlib's `plot`


class RateCurve(NamedTuple):
    """One rate against another, each of shape (T,), and how the line looks."""

    x_T: Array
    y_T: Array
    style: Style


def draw_rates(axes: Axes, curves: Iterable[RateCurve], x_label: str, y_label: str, chance: bool) -> None:
    """Draw curves of rates; with `chance` also the diagonal, on which a score that knows nothing lies."""
    if chance:
        _draw_diagonal(axes)
    for curve in curves:
        axes.plot(*_visible(curve.x_T, curve.y_T), **curve.style)
    _frame(axes, x_label, y_label, margin=0.01)


def draw_reliability(axes: Axes, curves: Iterable[tuple[Reliability, Style]], x_label: str, y_label: str) -> None:
    """Draw accuracy against confidence, bin by bin (Guo et al. 2017): on the diagonal both are equal.

    Bins without rows are left out; a disc around a bin shows its share of the rows.
    """
    _draw_diagonal(axes)
    for bins, style in curves:
        filled = bins.rows > 0
        x_B, y_B = bins.confidence[filled], bins.accuracy[filled]
        sizes_B = 12 + 260 * bins.rows[filled] / bins.rows.max()
        axes.scatter(x_B, y_B, s=sizes_B, color=style["color"], alpha=0.4, linewidths=0)
        axes.plot(x_B, y_B, linewidth=1.5, **style)
    _frame(axes, x_label, y_label, margin=0.02)


def _visible(x_T: Array, y_T: Array) -> tuple[Array, Array]:
    """Return a curve of many points without those that fall on the place of the one before, at a fine grid."""
    if len(x_T) <= _MANY:
        return x_T, y_T
    place_2T = np.round(np.stack([x_T, y_T]) * _GRID).astype(np.int32)
    moves_T = np.append(True, (np.diff(place_2T) != 0).any(axis=0))
    moves_T[-1] = True
    return x_T[moves_T], y_T[moves_T]


def _draw_diagonal(axes: Axes) -> None:
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle=":", linewidth=1)


def _frame(axes: Axes, x_label: str, y_label: str, margin: float) -> None:
    limits = (-margin, 1 + margin)
    axes.set(xlim=limits, ylim=limits, xlabel=x_label, ylabel=y_label)
