"""Rows and weights whose gradients sum to those of all rows: orthogonal matching pursuit (Killamsetty et al. 2021).

The pursuit sees all classes at once, in the metric of the head's Hessian. Like `gradient_match` it is compression of a
head, and says little of rows.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry.gradients import Gradients
from tithe.select.geometry.pursuit import pursued
from tithe.select.geometry.swaps import classes_of
from tithe.select.pool import Pool

NEEDS = ("embeddings", "head_probs", "head_labels", "head_penalty")


def match(pool: Pool, quota_C: Rows, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows and their weights; classes take part freely until their quotas are full. The heaviest come first."""
    truth = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    gradients = truth.labelled(pool.labels)
    target_AB = truth.total() * (quota_C.sum() / len(pool))
    rows_K, weight_K = pursued(gradients, target_AB, classes_of(pool, quota_C), quota_C)
    order_K = np.lexsort((rows_K, -weight_K))
    return rows_K[order_K], weight_K[order_K]
