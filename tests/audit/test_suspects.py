"""Confident learning against a small example worked by hand, and on clusters whose wrong labels are known."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.audit.discriminant import Sums, out_of_fold
from tithe.audit.suspects import confident_classes, find_suspects, flip, thresholds, try_hints

PROBS = np.array([
    [0.9, 0.05, 0.05], [0.8, 0.1, 0.1], [0.7, 0.2, 0.1], [0.1, 0.85, 0.05],  # labelled 0
    [0.1, 0.8, 0.1], [0.2, 0.7, 0.1], [0.7, 0.25, 0.05],  # labelled 1
    [0.3, 0.1, 0.6], [0.2, 0.3, 0.5],  # labelled 2
])  # fmt: skip
LABELS = np.array([0, 0, 0, 0, 1, 1, 1, 2, 2])


def test_the_example_by_hand() -> None:
    threshold_C = thresholds(PROBS, LABELS)
    np.testing.assert_allclose(threshold_C, [2.5 / 4, 1.75 / 3, 1.1 / 2])
    # No class reaches its threshold in the last row. The confident joint is [[3, 1, 0], [1, 2, 0], [0, 0, 1]].
    assert confident_classes(PROBS, threshold_C).tolist() == [0, 0, 0, 1, 1, 1, 0, 2, -1]
    found = find_suspects(PROBS, LABELS)
    # One of the four rows labelled 0 is estimated wrong, and one of the three labelled 1: those of the least own share.
    assert found.rows.tolist() == [3, 6] and found.suggested.tolist() == [1, 0]
    np.testing.assert_allclose(found.self_confidence, [0.1, 0.25])
    np.testing.assert_allclose(found.probability, [0.85, 0.7])
    np.testing.assert_allclose(found.noise_of_class, [1 / 4, 1 / 3, 0])
    assert found.noise == pytest.approx((4 / 4 + 3 / 3) / 9) and found.accuracy == 7 / 9


def test_a_row_below_every_threshold_is_a_hint_where_its_label_is_least_probable() -> None:
    """Of six rows labelled 0 two are estimated wrong, by one of three that are confident: also row 1, which is not."""
    probs_NC = np.array([[0.9, 0.1], [0.45, 0.55], [0.1, 0.9], [0.5, 0.5], [0.9, 0.1], [0.52, 0.48], [0.4, 0.6]])
    labels_N = np.array([0, 0, 0, 0, 0, 0, 1])
    assert confident_classes(probs_NC, thresholds(probs_NC, labels_N)).tolist() == [0, -1, 1, -1, 0, -1, 1]
    assert find_suspects(probs_NC, labels_N).rows.tolist() == [2, 1]


def test_the_most_probable_class_does_not_count_where_it_is_not_confident() -> None:
    threshold_C = np.array([0.6, 0.4, np.inf])
    assert confident_classes(np.array([[0.5, 0.45, 0.05], [0.1, 0.2, 0.7]]), threshold_C).tolist() == [1, -1]


def test_a_class_without_rows_is_never_suggested() -> None:
    probs_NC = np.array([[0.1, 0.0, 0.9], [0.8, 0.1, 0.1]])
    assert thresholds(probs_NC, np.array([0, 0])).tolist()[1:] == [np.inf, np.inf]
    assert len(find_suspects(probs_NC, np.array([0, 0])).rows) == 0


def clusters(rows: int, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    rng = np.random.default_rng(0)
    labels_N = np.arange(rows) % classes
    return (8 * np.eye(classes, 12)[labels_N] + rng.normal(size=(rows, 12))).astype(np.float32), labels_N


def test_wrong_labels_in_clear_clusters_are_found_and_the_trial_says_so() -> None:
    X_ND, labels_N = clusters(300)
    wrong_N, rows = flip(labels_N, 3, 0.06, seed=1)
    assert len(rows) == 18 and (wrong_N != labels_N).nonzero()[0].tolist() == rows.tolist()
    found = find_suspects(out_of_fold(X_ND, wrong_N, 3, seed=0), wrong_N)
    assert {*found.rows} <= {*rows} and len(found.rows) >= 14
    assert (found.suggested == labels_N[found.rows]).all() and found.noise == pytest.approx(0.06, abs=0.01)
    trial = try_hints(X_ND, labels_N, 3, seed=0)
    assert trial[:2] == (300, 15) and trial.precision == trial.first == trial.restored == 1 and trial.recall > 0.9


def test_no_row_is_judged_by_a_head_that_saw_its_label() -> None:
    """Labels of random vectors can be learned by heart, but not guessed."""
    rng = np.random.default_rng(0)
    X_ND, labels_N = rng.normal(size=(100, 200)).astype(np.float32), rng.integers(0, 2, 100)
    found = find_suspects(out_of_fold(X_ND, labels_N, 2, seed=0), labels_N)
    assert found.accuracy < 0.7


def test_the_rule_of_one_column_by_hand() -> None:
    """Means −1 and 2, one variance v: the log odds are (3 x − 3/2) / v + log of the shares."""
    X_N1, labels_N = (
        np.array([[-2.0], [0.0], [-1.0], [-1.0], [2.0], [2.0 + 6**0.5], [2.0 - 6**0.5]]),
        np.array([0] * 4 + [1] * 3),
    )
    sums = Sums.of(X_N1, labels_N, 3)
    variance = (2 + 12) / 7
    weights_1C, bias_C = sums.rule()
    odds = (weights_1C[0, 1] - weights_1C[0, 0], bias_C[1] - bias_C[0])
    np.testing.assert_allclose(odds, [3 / variance, (1 - 4) / (2 * variance) + np.log(3 / 4)], rtol=1e-5)
    assert bias_C[2] == -np.inf  # a class without rows
    again = Sums.of(X_N1[:3], labels_N[:3], 3) + Sums.of(X_N1[3:], labels_N[3:], 3)
    np.testing.assert_allclose(again.product_DD, sums.product_DD)


def test_large_data_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    X_ND, labels_N = clusters(90)
    whole = out_of_fold(X_ND, labels_N, 4, seed=0)
    monkeypatch.setattr("tithe.audit.discriminant._AT_ONCE", 7)
    np.testing.assert_allclose(out_of_fold(X_ND, labels_N, 4, seed=0), whole, atol=1e-5)
    np.testing.assert_allclose(whole.sum(axis=1), 1, atol=1e-6)
    assert (whole[:, 3] == 0).all()
