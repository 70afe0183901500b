"""Rows whose gradients sum to those of all rows, in proportion, at the optimum of a head (GradMatch, Killamsetty 2021).

A head trained on them is close to the one trained on all rows. That is compression of a head, and says little of rows:
those with wrong labels can be weighed to do the same.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry.gradients import Gradients
from tithe.select.geometry.swaps import classes_of, drawn, exchanged
from tithe.select.pool import Pool

NEEDS = ("embeddings", "head_probs", "head_labels", "head_penalty")


def match(pool: Pool, quota_C: Rows, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows of each class, first random, then exchanged one by one for better ones, and weights of 1."""
    truth = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    gradients = truth.labelled(pool.labels)
    groups_N, target_AB = classes_of(pool, quota_C), truth.total() * (quota_C.sum() / len(pool))
    rows_K = drawn(groups_N, quota_C, rng)
    rows_K = exchanged(gradients, rows_K, groups_N, target_AB, np.ones(len(pool)), rng)
    return rows_K, np.ones(len(rows_K))
