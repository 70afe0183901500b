"""Rows whose gradients are large and point apart: k-means++ on the head's gradients (Ash et al. 2020)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.pool import Pool

NEEDS = ("embeddings", "probs")
TRACK = "T0"


def pick(pool: Pool, count: int, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows, each drawn in proportion to its squared distance to the gradients of those before it.

    The gradient of the head for the likeliest class is (p − onehot) ⊗ x, never written out: inner products of such
    products are products of inner products. The first row is that of the largest gradient. The score is the distance.
    """
    (rng,) = rng.spawn(1)  # its own: else the draws in one class would depend on how many were drawn in another
    X_ND = np.asarray(pool.embeddings, dtype=np.float32)
    error_NC = np.array(pool.probs, dtype=np.float32)
    error_NC[np.arange(len(pool)), error_NC.argmax(axis=1)] -= 1
    norm_N = (error_NC**2).sum(axis=1) * (X_ND**2).sum(axis=1)
    squared_N, left_N = np.full(len(pool), np.inf), np.ones(len(pool), dtype=bool)
    rows: list[int] = []
    scores: list[float] = []
    for _ in range(count):
        row = _draw(squared_N * left_N, left_N, rng) if rows else int(norm_N.argmax())
        scores.append(float(np.sqrt(squared_N[row] if rows else norm_N[row])))
        rows.append(row)
        left_N[row] = False
        to_row_N = norm_N + norm_N[row] - 2 * (error_NC @ error_NC[row]) * (X_ND @ X_ND[row])
        squared_N = np.minimum(squared_N, to_row_N.clip(0))
    return np.array(rows, dtype=np.int64), np.array(scores)


def _draw(weight_N: Array, left_N: Array, rng: np.random.Generator) -> int:
    """Return a row drawn in proportion to its weight; a random one that is left where all gradients are chosen."""
    total = weight_N.sum()
    weight_N = weight_N / total if total > 0 else left_N / left_N.sum()
    return int(rng.choice(len(weight_N), p=weight_N))
