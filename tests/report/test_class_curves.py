"""Curves of few and of many classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tithe import metrics
from tithe.report import class_curves

pytestmark = pytest.mark.usefixtures("real_figures")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, instead of files."""
    drawn: list[Figure] = []
    monkeypatch.setattr(class_curves, "save", lambda figure, path: drawn.append(figure))
    return drawn


# Classes, and the curves of the figure: all, or the mean and the five worst, with the others or without them.
@pytest.mark.parametrize(("classes", "curves"), [(2, 1), (8, 8), (9, 10), (60, 61), (61, 6)])
def test_the_curves_that_are_drawn(classes: int, curves: int, figures: list[Figure], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y_N, probs_NC = np.arange(3 * classes) % classes, rng.dirichlet(np.ones(classes), 3 * classes)
    ranking = metrics.one_vs_rest(y_N, probs_NC)
    names = [f"класс {c:02}" for c in range(classes)]
    for draw, areas, chance in ((class_curves.roc, ranking.roc, 1), (class_curves.pr, ranking.pr, 0)):
        draw(tmp_path, y_N, probs_NC, ranking, names)
        (axes,) = figures[-1].axes
        assert len(axes.lines) == curves + chance
        if classes <= 8:
            assert len(axes.get_legend().get_texts()) == curves
            continue
        (legend,) = figures[-1].legends
        worst = np.argsort(areas.area_K)[:5]
        assert [text.get_text() for text in legend.get_texts()] == [
            *(f"{areas.area_K[c]:.3f}  {names[c]}" for c in worst),
            f"{areas.area_K.mean():.3f}  mean of {classes} classes",
        ]


def test_a_curve_of_many_rows_is_drawn_from_the_points_that_can_be_seen(figures: list[Figure], tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    y_N = rng.integers(2, size=200_000)
    p_N = rng.normal(y_N).clip(-4, 5) / 9 + 4 / 9
    probs_NC = np.stack([1 - p_N, p_N], axis=1)
    ranking = metrics.one_vs_rest(y_N, probs_NC)
    for draw, areas in ((class_curves.roc, ranking.roc), (class_curves.pr, ranking.pr)):
        draw(tmp_path, y_N, probs_NC, ranking, ["no", "yes"])
        x_T, y_T = figures[-1].axes[0].lines[-1].get_data()
        assert 100 < len(x_T) < 40_000
        assert abs(float(np.trapezoid(y_T, x_T))) == pytest.approx(areas.area_K[0], abs=1e-3)
