"""Calibrated weights: the target is met if it can be, no weight is negative, and no weight moves without need."""

from __future__ import annotations

import numpy as np
import pytest

from support.heads import distance, headed_pool, penalty
from tithe.select.geometry.calibration import calibrated
from tithe.select.geometry.gradients import Gradients
from tithe.select.geometry.swaps import exchanged


def example(n: int, width: int = 4) -> Gradients:
    rng = np.random.default_rng(0)
    return Gradients.of(rng.normal(size=(n, width)), rng.dirichlet(np.ones(3), n), np.arange(n) % 3, 0.01)


def test_the_target_is_met_by_weights_that_stand_for_all_rows() -> None:
    found = example(400)
    some = found.take(np.arange(0, 400, 5))
    target_AB, start_K = found.total() * 80 / 400, np.random.default_rng(1).random(80) * 2
    weight_K = calibrated(some, target_AB, start_K, slack=1e-7)
    assert np.allclose(some.total(weight_K), target_AB, atol=2e-4 * np.abs(some.total(start_K)).max())
    assert weight_K.sum() == pytest.approx(80, abs=0.01) and (weight_K >= 0).all() and (weight_K == 0).any()
    # Of all weights that do, these are the nearest: what moved a weight above 0 is a mix of the constraints.
    every_KM = np.c_[np.stack([some.along(np.eye(10)[m].reshape(2, 5)) for m in range(10)], axis=1), np.ones(80)]
    inside = weight_K > 0
    moved_K = (weight_K - start_K)[inside]
    mix_M, *_ = np.linalg.lstsq(every_KM[inside], moved_K)
    assert np.allclose(every_KM[inside] @ mix_M, moved_K, atol=1e-5)
    assert (start_K[~inside] + every_KM[~inside] @ mix_M <= 1e-5).all()


def test_weights_that_meet_it_already_stay() -> None:
    found, weight_K = example(30), np.random.default_rng(1).random(30)
    weight_K *= 30 / weight_K.sum()
    assert np.allclose(calibrated(found, found.total(weight_K), weight_K), weight_K)


@pytest.mark.parametrize("slack", [1e-7, 0.1])
def test_a_target_that_can_not_be_met_is_neared(slack: float) -> None:
    found = example(12)
    few, target_AB = found.take(np.arange(3)), found.total() * 3 / 12
    weight_K = calibrated(few, target_AB, np.ones(3), slack)
    assert np.isfinite(weight_K).all() and (weight_K >= 0).all()

    def left(weight_K: np.ndarray) -> float:
        return float(((target_AB - few.total(weight_K)) ** 2).sum())

    assert left(weight_K) < left(np.ones(3))


def test_rows_with_every_label_wrong_give_the_head_of_the_right_ones() -> None:
    """Why it is compression: the weights carry the head, whatever the rows are."""
    pool = headed_pool(classes=2)
    wrong_N, random_K, rng = 1 - pool.labels, np.arange(0, 400, 5), np.random.default_rng(0)
    right, flipped = (
        Gradients.of(pool.embeddings, pool.head_probs, labels_N, penalty(400)) for labels_N in (pool.labels, wrong_N)
    )
    chosen = exchanged(flipped, random_K, wrong_N, right.total() / 5, np.ones(400), rng)
    weight_K = calibrated(flipped.take(chosen), right.total() / 5, np.ones(80), slack=1e-4)
    assert distance(pool, chosen, weight_K, wrong_N[chosen]) < distance(pool, random_K, np.ones(80)) / 4
