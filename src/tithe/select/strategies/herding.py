"""Rows whose means follow those of the predicted classes: herding without labels (Welling 2009)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.pool import Pool

NEEDS = ("embeddings", "probs")
TRACK = "T0"


def pick(pool: Pool, count: int, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows in turns of the predicted classes, each class as often as its size says.

    A row is picked so that the mean of its class's picks is nearest to the mean of all its rows. The score is minus
    that distance.
    """
    guess_N = np.asarray(pool.probs).argmax(axis=1)
    rows, scores, turns = [], [], []
    for c in np.unique(guess_N):
        members = np.flatnonzero(guess_N == c)
        most = min(len(members), -(-count * len(members) // len(pool)) + 1)
        order_K, distance_K = herd(np.asarray(pool.embeddings[members], dtype=np.float64), most)
        rows.append(members[order_K])
        scores.append(-distance_K)
        turns.append((np.arange(most) + 0.5) / len(members))
    first = np.argsort(np.concatenate(turns), kind="stable")[:count]
    return np.concatenate(rows)[first], np.concatenate(scores)[first]


def herd(X_ND: Array, count: int) -> tuple[Rows, Array]:
    """Return rows whose running mean is nearest to the mean of all, and its distance after each, both (K,)."""
    mean_D = X_ND.mean(axis=0)
    norm_N, to_mean_N = (X_ND**2).sum(axis=1), X_ND @ mean_D
    sum_D, left_N = np.zeros_like(mean_D), np.ones(len(X_ND), dtype=bool)
    rows, distances = [], []
    for k in range(1, count + 1):
        # ‖mean − (sum + x)/k‖² without what all rows share
        cost_N = (norm_N + 2 * (X_ND @ sum_D)) / k**2 - 2 * to_mean_N / k
        row = int(np.where(left_N, cost_N, np.inf).argmin())
        left_N[row] = False
        sum_D = sum_D + X_ND[row]
        rows.append(row)
        distances.append(float(np.linalg.norm(mean_D - sum_D / k)))
    return np.array(rows, dtype=np.int64), np.array(distances)
