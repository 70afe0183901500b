"""ROC and precision-recall curves of classes, each against the rest, as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.metrics.one_vs_rest import GRID, Areas, OneVsRest, Points, curves
from tithe.report.canvas import canvas, draw_legend, save, series_style, short_name
from tithe.report.palette import ACCENT, INK, PALE
from tithe.report.unit_square import RateCurve, Style, draw_rates

_NAMED = 8  # curves; beyond these, there are too many to tell apart
_WORST = 5  # curves that are named then
_PALE = 60  # curves; beyond these, those that are not named would cover everything


class _Kind(NamedTuple):
    """What the figure of one kind of curve says."""

    title: str
    short_title: str
    x_label: str
    y_label: str
    chance: bool


class _Classes(NamedTuple):
    """The curves of one kind: of what classes, their areas, and the points of each."""

    names: Sequence[str]
    classes: Rows
    areas: Areas
    points: Callable[[int], Points]


_ROC = _Kind("ROC", "ROC", "false positive rate", "true positive rate", chance=True)
_PR = _Kind("Precision and recall", "PR", "recall", "precision", chance=False)


def roc(path: Path, y_true_N: Array, probs_NC: Array, ranking: OneVsRest, names: Sequence[str]) -> None:
    """Draw the true against the false positive rate.

    Of more than eight classes the mean curve and the five classes with the smallest areas are named, and the others are
    pale; of more than sixty they are left out.

    Parameters
    ----------
    y_true_N, probs_NC
        Class indices, and probabilities.
    ranking
        The same rows' `metrics.one_vs_rest`.
    """
    of_class = _Classes(names, ranking.classes, ranking.roc, lambda c: curves(y_true_N == c, probs_NC[:, c]).roc)
    _save(path, of_class, _ROC)


def pr(path: Path, y_true_N: Array, probs_NC: Array, ranking: OneVsRest, names: Sequence[str]) -> None:
    """Draw precision against recall; see `roc`."""
    of_class = _Classes(names, ranking.classes, ranking.pr, lambda c: curves(y_true_N == c, probs_NC[:, c]).pr)
    _save(path, of_class, _PR)


def _save(path: Path, of_class: _Classes, kind: _Kind) -> None:
    few = len(of_class.names) <= _NAMED
    figure, axes = canvas(5.6 if few else 8.0, 5.0)
    lines = _each(of_class) if few else _mean_and_worst(of_class)
    draw_rates(axes, lines, kind.x_label, kind.y_label, kind.chance)
    if not len(of_class.classes):
        axes.set_title(f"{kind.short_title}: no class has both kinds of rows")
    else:
        axes.set_title(f"{kind.title}, area {np.mean(of_class.areas.area_K):.3f}")
        if few:
            draw_legend(axes)
        else:
            figure.legend(frameon=False, fontsize=9, loc="outside right upper", title="area", alignment="left")
    save(figure, path)


def _each(of_class: _Classes) -> Iterator[RateCurve]:
    """Yield the curve of each class."""
    for c in of_class.classes.tolist():
        look = {"color": ACCENT} if len(of_class.names) == 2 else series_style(c)
        style: Style = {**look, "linewidth": 1.6, "label": short_name(of_class.names[c])}
        yield RateCurve(*of_class.points(c), style)


def _mean_and_worst(of_class: _Classes) -> Iterator[RateCurve]:
    """Yield the curves of all classes but the worst if they are not too many, then the worst, then the mean."""
    area_K, count = of_class.areas.area_K, len(of_class.classes)
    order = np.argsort(area_K, kind="stable")
    for place in order[_WORST:] if count <= _PALE else ():
        yield RateCurve(*of_class.points(int(of_class.classes[place])), {"color": PALE, "linewidth": 0.8})
    for number, place in enumerate(order[:_WORST]):
        c = int(of_class.classes[place])
        label = f"{area_K[place]:.3f}  {short_name(of_class.names[c]).lstrip()}"
        yield RateCurve(*of_class.points(c), {**series_style(number), "linewidth": 1.4, "label": label})
    if count:
        mean = f"{area_K.mean():.3f}  mean of {count} classes"
        yield RateCurve(GRID, of_class.areas.mean_G, {"color": INK, "linewidth": 2.2, "label": mean})
