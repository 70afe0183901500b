"""Areas and curves of each class against the rest: equal to scikit-learn's, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from tithe.errors import TitheError
from tithe.metrics import one_vs_rest
from tithe.metrics.one_vs_rest import GRID, curves

Array = np.ndarray[Any, np.dtype[Any]]

# Classes, those that have rows, rows, and decimals of the probabilities: with few decimals many are equal.
SETS = [
    (2, [0, 1], 200, 16),
    (5, [0, 1, 2, 3, 4], 200, 16),
    (5, [0, 2], 200, 2),
    (7, [1, 3], 50, 1),
    (60, list(range(50)), 300, 3),
    (3, [0, 1, 2], 4, 1),
]


def draw(classes: int, present: list[int], rows: int, decimals: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    y_true = np.concatenate([present[:rows], rng.choice(present, max(0, rows - len(present)))])
    probs = rng.dirichlet(np.ones(classes), rows)
    probs[np.arange(rows), y_true] += 0.2
    return y_true, (probs / probs.sum(axis=1, keepdims=True)).round(decimals)


@pytest.mark.parametrize(("classes", "present", "rows", "decimals"), SETS)
@pytest.mark.parametrize("kind", [np.float64, np.float32])
def test_areas_and_points_are_those_of_scikit_learn(
    classes: int, present: list[int], rows: int, decimals: int, kind: type[Any]
) -> None:
    y_true, probs = draw(classes, present, rows, decimals)
    probs = probs.astype(kind)
    ranking = one_vs_rest(y_true, probs)
    assert ranking.classes.tolist() == ([1] if classes == 2 else sorted(present))
    for place, c in enumerate(ranking.classes):
        is_c, score = y_true == c, probs[:, c]
        assert ranking.roc.area_K[place] == reference.roc_auc_score(is_c, score)
        assert ranking.pr.area_K[place] == reference.average_precision_score(is_c, score)
        own = curves(is_c, score)
        fpr, tpr, _ = reference.roc_curve(is_c, score)
        precision, recall, _ = reference.precision_recall_curve(is_c, score)
        for ours, theirs in zip((*own.roc, *own.pr), (fpr, tpr, recall, precision), strict=True):
            assert ours.tolist() == theirs.tolist()
    assert ranking.means() == {"auc_roc": np.mean(ranking.roc.area_K), "auc_pr": np.mean(ranking.pr.area_K)}


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize("only", [0, 1])
def test_there_are_no_areas_of_one_class(classes: int, only: int) -> None:
    ranking = one_vs_rest(*draw(classes, [only], 20, 16))
    assert ranking.means() == {"auc_roc": None, "auc_pr": None}
    assert np.isnan(ranking.roc.mean_G).all()


def test_the_mean_curves_are_between_those_of_the_classes_and_have_the_mean_area() -> None:
    y_true, probs = draw(12, list(range(12)), 400, 16)
    ranking = one_vs_rest(y_true, probs)
    for areas in (ranking.roc, ranking.pr):
        assert np.trapezoid(areas.mean_G, GRID) == pytest.approx(areas.area_K.mean(), abs=3e-3)


def test_the_mean_curves_of_known_classes() -> None:
    # Class 0 is told apart wholly; of class 1 one of two rows comes before the other two rows, one after them.
    is_1 = np.array([True, False, False, True])
    probs = np.stack([~is_1, [0.9, 0.8, 0.7, 0.6], np.zeros(4)], axis=1)
    ranking = one_vs_rest(is_1.astype(int), probs)
    assert ranking.roc.area_K.tolist() == [1, 0.5] and ranking.pr.area_K.tolist() == [1, 0.75]
    assert set(ranking.roc.mean_G) == {0.75, 1.0} and ranking.roc.mean_G[-2:].tolist() == [0.75, 1]
    half = GRID <= 0.5
    assert ranking.pr.mean_G[half] == pytest.approx(1) and ranking.pr.mean_G[~half] == pytest.approx(0.75)


def test_a_probability_that_is_not_a_number_is_no_score() -> None:
    y_true, probs = draw(3, [0, 1, 2], 20, 16)
    probs[3, 1] = np.nan
    with pytest.raises(TitheError, match="some probabilities are not numbers"):
        one_vs_rest(y_true, probs)
