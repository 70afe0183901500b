"""Metrics against scikit-learn on random data, known answers, and edges without rows."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from tithe import metrics

Array = np.ndarray[Any, np.dtype[Any]]

# (classes, classes that have rows): with all present, with some that are never true, with one only predicted.
SHAPES = [(2, [0, 1]), (5, [0, 1, 2, 3, 4]), (5, [0, 2, 4]), (7, [1, 3])]


def draw(classes: int, present: list[int], rows: int = 200, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    y_true = rng.choice(present, rows)
    logits = rng.normal(size=(rows, classes))
    logits[np.arange(rows), y_true] += 1
    probs = np.exp(logits)
    return y_true, probs / probs.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("classes", "present"), SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_the_summary_agrees_with_scikit_learn(classes: int, present: list[int], seed: int) -> None:
    y_true, probs = draw(classes, present, seed=seed)
    y_pred = probs.argmax(axis=1)
    found = metrics.summary(y_true, probs)
    assert found.pop("accuracy") == pytest.approx(reference.accuracy_score(y_true, y_pred))
    assert found.pop("loss") == pytest.approx(reference.log_loss(y_true, probs, labels=range(classes)))
    for average in ("macro", "weighted"):
        values = reference.precision_recall_fscore_support(y_true, y_pred, average=average, zero_division=0)
        for name, value in zip(("precision", "recall", "f1"), values[:3], strict=True):
            assert found.pop(name if average == "macro" else f"{name}_weighted") == pytest.approx(value), name
    assert found == {}


@pytest.mark.parametrize(("classes", "present"), SHAPES)
def test_confusion_and_classes_agree_with_scikit_learn(classes: int, present: list[int]) -> None:
    y_true, probs = draw(classes, present)
    y_pred = probs.argmax(axis=1)
    matrix = metrics.confusion(y_true, y_pred, classes)
    assert matrix.tolist() == reference.confusion_matrix(y_true, y_pred, labels=range(classes)).tolist()
    values = reference.precision_recall_fscore_support(y_true, y_pred, labels=range(classes), zero_division=0)
    for ours, theirs in zip(metrics.per_class(matrix), values, strict=True):
        assert ours == pytest.approx(theirs)


def test_rows_of_the_confusion_are_the_true_classes() -> None:
    assert metrics.confusion(np.array([0, 0, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 2], [0, 1]]


def test_a_class_never_seen_is_left_out_of_the_mean_and_one_only_predicted_is_not() -> None:
    y_true, y_pred = np.array([0, 0, 1, 1]), np.array([0, 0, 1, 2])
    found = metrics.summary(y_true, np.eye(4)[y_pred])
    assert found["precision"] == pytest.approx(2 / 3)
    assert found["recall"] == pytest.approx((1 + 0.5 + 0) / 3)
    assert found["f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)


def test_log_loss_known_answers() -> None:
    even = np.full((3, 4), 0.25)
    assert metrics.log_loss(np.array([0, 1, 3]), even) == pytest.approx(np.log(4))
    assert metrics.log_loss(np.array([0, 1]), np.array([[0.5, 0.5], [0.75, 0.25]])) == pytest.approx(np.log(8) / 2)
    assert metrics.log_loss(np.array([0]), np.array([[1.0, 0.0]])) == 0
    assert metrics.log_loss(np.array([1]), np.array([[1.0, 0.0]])) == pytest.approx(-np.log(1e-12))
    assert metrics.log_loss(np.array([1]), np.array([[1, 0]], np.float32)) == pytest.approx(-np.log(1e-12))


# ---- calibration


def test_calibration_error_known_answers() -> None:
    sure = np.array([[1.0, 0.0]] * 4)
    assert metrics.calibration_error(np.array([0, 0, 0, 0]), sure) == 0
    assert metrics.calibration_error(np.array([1, 1, 1, 1]), sure) == 1
    assert metrics.calibration_error(np.array([0, 0, 0, 1]), sure) == pytest.approx(0.25)
    # Two bins: (0.9, half right) over 2 rows and (0.6, all right) over 2 rows.
    probs = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    assert metrics.calibration_error(np.array([0, 1, 0, 0]), probs, bins=10) == pytest.approx(0.4)
    # In one bin the gaps cancel: mean confidence 0.75 against three right of four.
    assert metrics.calibration_error(np.array([0, 1, 0, 0]), probs, bins=1) == pytest.approx(0)


def test_reliability_bins() -> None:
    probs = np.array([[1.0, 0.0], [0.52, 0.48], [0.49, 0.51]])
    found = metrics.reliability(np.array([0, 1, 1]), probs, bins=4)
    assert found.rows.tolist() == [0, 0, 2, 1]
    assert found.confidence == pytest.approx([0, 0, 0.515, 1])
    assert found.accuracy == pytest.approx([0, 0, 0.5, 1])
    y_true, probs = draw(5, [0, 1, 2, 3, 4])
    assert metrics.reliability(y_true, probs).rows.sum() == len(y_true)


def test_reliability_agrees_with_scikit_learn() -> None:
    y_true, probs = draw(2, [0, 1], rows=2000)
    right = probs.argmax(axis=1) == y_true
    accuracy, confidence = reference_curve(right, probs.max(axis=1))
    found = metrics.reliability(y_true, probs, bins=10)
    full = found.rows > 0
    assert found.accuracy[full] == pytest.approx(accuracy)
    assert found.confidence[full] == pytest.approx(confidence)


def reference_curve(right: Array, confidence: Array) -> tuple[Array, Array]:
    from sklearn.calibration import calibration_curve

    accuracy, mean_confidence = calibration_curve(right, confidence, n_bins=10)
    return accuracy, mean_confidence


# ---- bootstrap


def test_bootstrap_intervals_hold_the_point_and_are_seeded() -> None:
    y_true, probs = draw(3, [0, 1, 2])
    point = metrics.summary(y_true, probs)
    found = metrics.bootstrap(y_true, probs, seed=1, draws=300)
    assert sorted(found) == ["accuracy", "f1"]
    for name, (low, high) in found.items():
        assert low < point[name] < high
    assert found == metrics.bootstrap(y_true, probs, seed=1, draws=300)
    assert found != metrics.bootstrap(y_true, probs, seed=2, draws=300)


@pytest.mark.parametrize(("classes", "present"), SHAPES)
def test_bootstrap_draws_the_scores_of_the_summary(classes: int, present: list[int]) -> None:
    y_true, probs = draw(classes, present, rows=30)
    _, first_K, rows_K = np.unique(y_true * classes + probs.argmax(axis=1), return_index=True, return_counts=True)
    rng = np.random.default_rng([4, 0xB007])
    drawn = [np.repeat(first_K, rng.multinomial(30, rows_K / 30)) for _ in range(20)]
    found = metrics.bootstrap(y_true, probs, seed=4, draws=20)
    for name, interval in found.items():
        scores = [metrics.summary(y_true[pick], probs[pick])[name] for pick in drawn]
        assert interval == pytest.approx(np.percentile(scores, [2.5, 97.5]))


def test_bootstrap_is_that_of_rows_drawn_one_by_one() -> None:
    y_true, probs = draw(3, [0, 1, 2], rows=60)
    rng, scores = np.random.default_rng(5), []
    for _ in range(4000):
        pick = rng.integers(0, 60, 60)
        scores.append([metrics.summary(y_true[pick], probs[pick])[name] for name in ("accuracy", "f1")])
    found = metrics.bootstrap(y_true, probs, seed=6, draws=4000)
    assert [*zip(*found.values(), strict=True)] == pytest.approx(np.percentile(scores, [2.5, 97.5], axis=0), abs=0.02)


def test_bootstrap_has_the_width_of_the_binomial() -> None:
    y_true = np.array([0, 1] * 200)
    probs = np.tile([0.6, 0.4], (400, 1))
    low, high = metrics.bootstrap(y_true, probs, seed=0, draws=2000)["accuracy"]
    assert (high - low) / 2 == pytest.approx(1.96 * np.sqrt(0.25 / 400), rel=0.1)


def test_bootstrap_narrows_with_the_rows() -> None:
    widths = []
    for rows in (50, 200, 800):
        low, high = metrics.bootstrap(*draw(3, [0, 1, 2], rows), seed=0, draws=200)["accuracy"]
        widths.append(high - low)
    assert all(wide > narrow for wide, narrow in pairwise(widths))


# ---- which way is better

NAN = float("nan")
BETTER = [
    ("loss", 1.0, 2.0, True),
    ("loss", 2.0, 1.0, False),
    ("loss", 1.0, 1.0, False),
    ("accuracy", 2.0, 1.0, True),
    ("accuracy", 1.0, 2.0, False),
    ("f1", 2.0, 1.0, True),
    ("f1", 1.0, 1.0, False),
    *((name, 0.0, None, True) for name in metrics.DIRECTION),
    *((name, NAN, None, False) for name in metrics.DIRECTION),
    *((name, NAN, 0.5, False) for name in metrics.DIRECTION),
]


@pytest.mark.parametrize(("name", "new", "old", "yes"), BETTER)
def test_better(name: str, new: float, old: float | None, yes: bool) -> None:
    assert metrics.better(name, new, old) is yes


def test_every_direction_is_of_a_score_that_the_summary_has() -> None:
    assert metrics.DIRECTION == {"loss": "min", "accuracy": "max", "f1": "max"}
    assert set(metrics.DIRECTION) <= set(metrics.summary(*draw(2, [0, 1])))
    good, bad = np.array([[0.9, 0.1]]), np.array([[0.2, 0.8]])
    for name in metrics.DIRECTION:
        scores = [metrics.summary(np.array([0]), probs)[name] for probs in (good, bad)]
        assert metrics.better(name, *scores)
        assert not metrics.better(name, *reversed(scores))


# Hits, rows, and the interval of Wilson (1927), from statsmodels' proportion_confint(method="wilson").
INTERVALS = [(8, 10, 0.490162, 0.943318), (0, 5, 0.0, 0.434482), (50, 100, 0.403832, 0.596168)]


@pytest.mark.parametrize(("hits", "rows", "low", "high"), INTERVALS)
def test_the_interval_of_a_share(hits: int, rows: int, low: float, high: float) -> None:
    assert metrics.wilson(hits, rows) == pytest.approx((low, high), abs=1e-6)


def test_intervals_of_many_shares_end_exactly_at_0_and_1() -> None:
    rows = np.arange(1, 400)
    (none, above), (below, every) = metrics.wilson(0 * rows, rows), metrics.wilson(rows, rows)
    assert (none == 0).all() and (every == 1).all(), "rounding would give -0.000 on a page"
    np.testing.assert_allclose(above, 1.959964**2 / (rows + 1.959964**2))
    np.testing.assert_allclose(below, rows / (rows + 1.959964**2))


@pytest.mark.parametrize("is_right", [True, False])
def test_rows_that_are_all_alike_have_an_interval_too(is_right: bool) -> None:
    """A resampling of four right answers is four right answers: that would be an accuracy of 1, beyond doubt."""
    y_true = np.array([0, 1, 0, 1])
    found = metrics.bootstrap(y_true, np.eye(2)[y_true if is_right else 1 - y_true], seed=0)
    assert found["accuracy"] == found["f1"] == pytest.approx([0.510109, 1.0] if is_right else [0.0, 0.489891], abs=1e-6)
