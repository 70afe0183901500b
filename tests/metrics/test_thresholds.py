"""Thresholds for a wanted precision or recall: known answers, class by class."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tithe.metrics import thresholds
from tithe.metrics.thresholds import Goal, Threshold

# Six rows predicted as class 0, the most probable first; r is right. Class 1 has what is left.
P = [0.99, 0.9, 0.8, 0.8, 0.7, 0.6]
CASES: dict[str, tuple[str, list[float], Goal, float, dict[str, Any]]] = {
    "all rows are precise enough": ("rrrrrr", P, "precision", 0.9, {"threshold": 0.0, "accepted": 6, "reached": 1.0}),
    "the last is wrong": ("rrrrrw", P, "precision", 0.9, {"threshold": 0.65, "accepted": 5, "reached": 1.0}),
    "the most rows that reach it": ("rwrrrr", P, "precision", 0.8, {"threshold": 0.0, "accepted": 6, "reached": 5 / 6}),
    "equal ones go together": ("rrrwrw", P, "precision", 0.9, {"threshold": 0.85, "accepted": 2, "reached": 1.0}),
    "none reaches it": (
        *("wrrrrr", P, "precision", 0.95),
        {"threshold": None, "accepted": 0, "reached": 5 / 6, "rows": 6, "attained": False},
    ),
    "no row": ("", [], "precision", 0.5, {"threshold": None, "reached": None, "low": None, "attained": False}),
    "recall: the highest threshold": (
        *("rrrrrr", P, "recall", 0.33),
        {"threshold": 0.85, "accepted": 2, "reached": 2 / 6, "rows": 6, "attained": True},
    ),
    "recall: equal ones go together": ("rrrrrr", P, "recall", 0.5, {"threshold": 0.75, "reached": 4 / 6}),
    "recall: wrong rows do not count": ("rwrwrw", P, "recall", 1.0, {"threshold": 0.65, "accepted": 3}),
}


def rows(right: str, p: list[float], missed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of these rows in another order, some missed ones of class 0, and one row of class 1."""
    probs_NC = np.array([[value, 1 - value] for value in p] + [[0.2, 0.8]] * (missed + 1))
    labels_N = np.array([0 if sign == "r" else 1 for sign in right] + [0] * missed + [1])
    order = np.random.default_rng(0).permutation(len(labels_N))
    return labels_N[order], probs_NC[order]


@pytest.mark.parametrize("name", CASES)
def test_the_threshold_of_a_class(name: str) -> None:
    right, p, goal, target, expected = CASES[name]
    found = thresholds.choose(*rows(right, p), goal, target)[0]._asdict()
    assert {key: found[key] for key in expected} == {
        key: value if value is None or isinstance(value, bool) else pytest.approx(value)
        for key, value in expected.items()
    }
    if found["reached"] is not None:
        assert found["low"] < found["reached"] <= found["high"]


def test_a_recall_that_no_threshold_reaches_accepts_everything() -> None:
    found = thresholds.choose(*rows("rrr", P[:3], missed=3), "recall", 0.9)[0]
    assert found[:2] == (0.0, 0.5) and found[4:] == (3, 6, False)


def test_every_class_has_a_threshold_of_its_own() -> None:
    labels_N, probs_NC = np.array([0, 1, 2, 2]), np.eye(4)[[0, 1, 1, 2]]
    found = thresholds.choose(labels_N, probs_NC, "precision", 0.9)
    assert [line.attained for line in found] == [True, False, True, False], "class 3 is predicted nowhere"
    assert found[1].reached == 0.5 and isinstance(found[0], Threshold)


def test_the_interval_is_that_of_wilson() -> None:
    found = thresholds.choose(*rows("r" * 9 + "w", [0.9] * 10), "precision", 0.9)[0]
    assert (found.low, found.high) == pytest.approx((0.5958, 0.9821), abs=1e-4)
