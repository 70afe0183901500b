"""Matching pursuit: weighted rows whose gradients sum to a target, batch by batch (Killamsetty et al. 2021)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry.calibration import calibrated
from tithe.select.geometry.gradients import Gradients

_BATCHES = 10


def pursued(gradients: Gradients, target_AB: Array, groups_N: Rows, quota_C: Rows) -> tuple[Rows, Array]:
    """Return rows, as many of each group as its quota says, and weights w ≥ 0 by which Σ w F nears a target, both (K,).

    A batch are the rows whose gradients point most along what those before it do not sum to yet; then all weights are
    found anew. Groups take part freely until they are full. The target is that of weights which sum to K.
    """
    left_C, count = quota_C.copy(), int(quota_C.sum())
    norm_N, open_N = np.sqrt(gradients.squared_norms()).clip(1e-12), np.ones(len(gradients), dtype=bool)
    rows_K, weight_K = np.zeros(0, dtype=np.int64), np.zeros(0)
    residual_AB = target_AB
    for size in np.diff(np.unique(count * np.arange(_BATCHES + 1) // _BATCHES)):
        score_N = np.where(open_N, gradients.along(residual_AB) / norm_N, -np.inf)
        batch = best_within(score_N, groups_N, left_C, int(size))
        rows_K, open_N[batch] = np.concatenate([rows_K, batch]), False
        left_C -= np.bincount(groups_N[batch], minlength=len(left_C))
        weight_K, residual_AB = _weighted(gradients, rows_K, target_AB * (len(rows_K) / count))
    return rows_K, weight_K


def _weighted(gradients: Gradients, rows_K: Rows, target_AB: Array) -> tuple[Array, Array]:
    """Return the weights of rows, and what they leave of the target; the rows' factors are freed on return."""
    part = gradients.take(rows_K)
    weight_K = calibrated(part, target_AB, np.zeros(len(rows_K)))
    return weight_K, target_AB - part.total(weight_K)


def best_within(score_N: Array, groups_N: Rows, left_C: Rows, count: int) -> Rows:
    """Return the rows of the highest scores, best first, no more of a class than it has left; ties to the lowest."""
    order_N = np.argsort(-score_N, kind="stable")
    of_N = groups_N[order_N]
    by_class = np.argsort(of_N, kind="stable")
    size_C = np.bincount(of_N, minlength=len(left_C))
    place_N = np.empty(len(of_N), dtype=np.int64)
    place_N[by_class] = np.arange(len(of_N)) - np.repeat(np.cumsum(size_C) - size_C, size_C)
    best_K: Rows = order_N[place_N < left_C[of_N]][:count]
    return best_K
