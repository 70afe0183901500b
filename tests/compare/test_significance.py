"""Whether a difference is beyond chance: known answers, and resampling in its plainest form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tithe import metrics
from tithe.compare import significance
from tithe.compare.runs import RunFiles


def answers(rows: int, classes: int, right: float, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, answers that are right in some share of the rows, and probabilities of the label."""
    rng = np.random.default_rng(seed)
    label_N = np.random.default_rng(7).choice(classes, rows, p=np.arange(1, classes + 1) / np.arange(classes + 1).sum())
    guess_N = rng.integers(0, classes, rows)
    sure_N = rng.random(rows)
    return label_N, np.where(sure_N < right, label_N, guess_N), np.clip(1 - sure_N, 1e-3, 1)


def naive(
    score: str, label_N: np.ndarray, first: significance.Predictions, second: significance.Predictions
) -> np.ndarray:
    """The interval of the difference by resampling rows, one draw at a time, with the scores of `metrics`."""
    rng, classes, rows = np.random.default_rng(5), int(label_N.max()) + 1, len(label_N)

    def value(answer: significance.Predictions, pick_N: np.ndarray) -> float:
        if score == "loss":
            return float(-np.log(answer.probability_of_label_N[pick_N]).mean())
        probs_NC = np.eye(classes)[answer.predicted_N[pick_N]]
        return metrics.summary(label_N[pick_N], probs_NC)[score]

    picks = (rng.integers(0, rows, rows) for _ in range(2000))
    return np.percentile([value(second, pick_N) - value(first, pick_N) for pick_N in picks], [2.5, 97.5])


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
@pytest.mark.parametrize("classes", [2, 6])
def test_the_interval_is_that_of_resampled_rows(score: str, classes: int) -> None:
    label_N, *first = answers(400, classes, 0.7, seed=1)
    second = answers(400, classes, 0.75, seed=2)[1:]
    one, other = significance.Predictions(*first), significance.Predictions(*second)
    found = significance.difference(score, label_N, one, other)
    low, high = naive(score, label_N, one, other)
    assert found.low < found.value < found.high
    # A percentile of 2,000 draws is uncertain by about 5 % of the interval's width.
    assert [found.low, found.high] == pytest.approx([low, high], abs=0.06 * (high - low))
    assert significance.difference(score, label_N, one, other) == found


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
def test_the_difference_is_that_of_the_metrics(score: str) -> None:
    label_N, *first = answers(300, 5, 0.6, seed=1)
    second = answers(300, 5, 0.9, seed=2)[1:]

    def value(predicted_N: np.ndarray, p_N: np.ndarray) -> float:
        return (
            float(-np.log(p_N).mean()) if score == "loss" else metrics.summary(label_N, np.eye(5)[predicted_N])[score]
        )

    found = significance.difference(score, label_N, significance.Predictions(*first), significance.Predictions(*second))
    assert found.value == pytest.approx(value(*second) - value(*first), abs=1e-12)


def test_a_class_that_is_nowhere_does_not_count() -> None:
    label_N, predicted_N, p_N = answers(300, 3, 0.6, seed=1)
    one, other = (
        significance.Predictions(predicted_N, p_N),
        significance.Predictions(answers(300, 3, 0.8, seed=2)[1], p_N),
    )
    spread = [significance.Predictions(2 * answer.predicted_N, p_N) for answer in (one, other)]
    found = significance.difference("f1", 2 * label_N, *spread)
    assert found == pytest.approx(significance.difference("f1", label_N, one, other), abs=1e-12)


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
def test_equal_answers_do_not_differ_and_better_ones_do(score: str) -> None:
    label_N, predicted_N, _ = answers(500, 4, 0.5, seed=1)
    poor = significance.Predictions(predicted_N, np.full(500, 0.3))
    good = significance.Predictions(np.where(np.arange(500) % 10, label_N, predicted_N), np.full(500, 0.8))
    assert significance.difference(score, label_N, poor, poor) == (0, 0, 0, 0)
    assert not significance.difference(score, label_N, poor, poor).beyond_chance
    found = significance.difference(score, label_N, poor, good)
    assert found.beyond_chance and (found.value > 0) == (score != "loss")
    back = significance.difference(score, label_N, good, poor)
    assert back.beyond_chance and back.value == pytest.approx(-found.value)


def test_one_row_is_within_chance() -> None:
    label_N, predicted_N, p_N = answers(500, 4, 0.9, seed=1)
    other_N = predicted_N.copy()
    wrong = int(np.flatnonzero(predicted_N != label_N)[0])
    other_N[wrong] = label_N[wrong]
    for score in ("accuracy", "f1"):
        one, other = significance.Predictions(predicted_N, p_N), significance.Predictions(other_N, p_N)
        found = significance.difference(score, label_N, one, other)
        assert found.value > 0 and not found.beyond_chance


@pytest.mark.parametrize("score", ["accuracy", "f1", "loss"])
@pytest.mark.parametrize("rows, is_enough", [(1, False), (2, False), (5, False), (6, True)])
def test_rows_that_a_sign_test_could_not_tell_from_chance_are_too_few(score: str, rows: int, is_enough: bool) -> None:
    """All of them speak for the second, so that no resampling of them says anything else."""
    label_N = np.arange(rows) % 2
    wrong, right = (
        significance.Predictions(1 - label_N, np.full(rows, 0.2)),
        significance.Predictions(label_N, np.full(rows, 0.8)),
    )
    found = significance.difference(score, label_N, wrong, right)
    assert found.differing == rows and found.value == found.low == found.high != 0
    assert found.beyond_chance == is_enough
    more_N, same = np.tile(label_N, 9), np.tile(label_N, 8)  # rows that both answer alike tell nothing
    beside = [
        significance.Predictions(
            np.concatenate([by.predicted_N, same]), np.concatenate([by.probability_of_label_N, same])
        )
        for by in (wrong, right)
    ]
    assert significance.difference(score, more_N, *beside).differing == rows


def test_draws_in_blocks_are_all_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    label_N, predicted_N, p_N = answers(200, 3, 0.5, seed=1)
    other = significance.Predictions(answers(200, 3, 0.6, seed=2)[1], p_N / 2)
    whole = {
        s: significance.difference(s, label_N, significance.Predictions(predicted_N, p_N), other)
        for s in metrics.DIRECTION
    }
    monkeypatch.setattr(significance, "_BLOCK_SIZE", 1000)
    for score, found in whole.items():
        assert significance.difference(score, label_N, significance.Predictions(predicted_N, p_N), other) == found


@pytest.mark.parametrize(
    ("task", "best_by", "named"), [("image", "loss", "log loss"), ("image", "f1", "f1"), ("text", "loss", "loss")]
)
def test_the_loss_of_a_detector_is_not_the_one_that_is_resampled(task: str, best_by: str, named: str) -> None:
    config = {"task": task, "checkpoint": {"best_by": best_by}}
    assert RunFiles(Path(), "a", config, {}, {}, [], None, None, None).resampled_score == named
