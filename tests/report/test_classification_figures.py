"""Confusion matrices: numbers while they fit, then names, then neither."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from tithe.report import classification_figures

pytestmark = pytest.mark.usefixtures("real_figures")


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that are drawn, instead of files."""
    drawn: list[Figure] = []
    monkeypatch.setattr(classification_figures, "save", lambda figure, path: drawn.append(figure))
    return drawn


def test_cells_of_a_normalised_matrix_have_shares_and_counts(figures: list[Figure], tmp_path: Path) -> None:
    matrix_CC = np.array([[3, 1], [0, 5]])
    for normalised in (False, True):
        classification_figures.confusion_matrix(tmp_path, matrix_CC, ["a", "b"], normalised)
    plain, shares = ([text.get_text() for text in figure.axes[0].texts] for figure in figures)
    assert plain == ["3", "1", "0", "5"]
    assert shares == ["0.75\n3", "0.25\n1", "0.00\n0", "1.00\n5"]


# Classes, numbers in the cells, names along an axis.
@pytest.mark.parametrize(
    ("classes", "numbers", "names"), [(20, 400, 20), (21, 0, 21), (60, 0, 60), (61, 0, 0), (400, 0, 0)]
)
@pytest.mark.parametrize("normalised", [False, True])
def test_a_matrix_has_no_more_text_than_fits(
    classes: int, numbers: int, names: int, normalised: bool, figures: list[Figure], tmp_path: Path
) -> None:
    matrix_CC = np.eye(classes, dtype=int)
    labels = [f"класс {c}" for c in range(classes)]
    classification_figures.confusion_matrix(tmp_path, matrix_CC, labels, normalised)
    axes = figures[0].axes[0]
    assert len(axes.texts) == numbers
    for axis in (axes.xaxis, axes.yaxis):
        texts = [label.get_text() for label in axis.get_ticklabels()]
        assert sum(text in labels for text in texts) == names and len(texts) <= 60
