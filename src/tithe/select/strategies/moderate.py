"""Rows at the median distance from the centre of their class, neither typical nor outlying (Xia et al. 2023)."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array
from tithe.select.pool import Pool

NEEDS = ("embeddings",)
TRACK = "T1"


def score(pool: Pool, rng: np.random.Generator, options: object) -> Array:
    """Return minus how much a row's distance to the mean of its class differs from the median of these distances."""
    score_N = np.zeros(len(pool))
    for c in np.unique(pool.labels):
        rows = np.flatnonzero(pool.labels == c)
        X_RD = np.asarray(pool.embeddings[rows], dtype=np.float32)
        distance_R = np.linalg.norm(X_RD - X_RD.mean(axis=0), axis=1)
        score_N[rows] = -np.abs(distance_R - np.median(distance_R))
    return score_N
