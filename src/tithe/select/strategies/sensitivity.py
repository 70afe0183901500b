"""Random rows, those that move a head most the likeliest, weighted to represent all rows (Munteanu 2018).

The weights are calibrated to the gradient of a head that was trained on all rows: like `gradient_match`, this is
compression of a head, and says little of rows.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry.calibration import calibrated
from tithe.select.geometry.gradients import Gradients
from tithe.select.geometry.swaps import classes_of, exchanged
from tithe.select.pool import Pool

NEEDS = ("embeddings", "head_probs", "head_labels", "head_penalty", "probs")


_FOLLOW = 0.5  # share of the chances that follows the sensitivity; the rest is equal, which keeps the weights even


def match(pool: Pool, quota_C: Rows, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return rows drawn by their sensitivity, exchanged for better ones, and their weights; the heaviest come first.

    The sensitivity is (1 − p of the label) · ‖v‖, v the features and a 1, p of a model that did not see the row.
    """
    truth = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    gradients = truth.labelled(pool.labels)
    groups_N, share = classes_of(pool, quota_C), quota_C.sum() / len(pool)
    size_N = (1 - pool.probs[np.arange(len(pool)), pool.labels]) * gradients.input_norms()
    size_N = _FOLLOW * size_N / max(size_N.sum(), 1e-12) + (1 - _FOLLOW) / len(pool)
    chance_N, drawn = np.ones(len(pool)), []
    for c in np.flatnonzero(quota_C):
        members = rng.permutation(np.flatnonzero(groups_N == c))
        chance_N[members] = chances(size_N[members], int(quota_C[c]))
        drawn.append(members[systematic(chance_N[members], rng)])
    weight_N, target_AB = share / chance_N, truth.total() * share
    rows_K = exchanged(gradients, np.concatenate(drawn), groups_N, target_AB, weight_N, rng)
    weight_K = calibrated(gradients.take(rows_K), target_AB, weight_N[rows_K])
    order_K = np.lexsort((rows_K, -weight_K))
    return rows_K[order_K], weight_K[order_K]


def chances(size_M: Array, count: int) -> Array:
    """Return chances in proportion to a size, 1 at most, that sum to a count, shape (M,)."""
    chance_M = np.ones(len(size_M))
    free = np.arange(len(size_M))
    while len(free) and (left := count - (len(size_M) - len(free))) < len(free):
        chance_M[free] = left * size_M[free] / size_M[free].sum()
        if (within := chance_M[free] < 1).all():
            break
        chance_M[free[~within]] = 1
        free = free[within]
    return chance_M


def systematic(chance_M: Array, rng: np.random.Generator) -> Rows:
    """Return rows drawn with given chances, as many as these sum to: evenly spaced marks from a random start."""
    sure, open_ = np.flatnonzero(chance_M >= 1), np.flatnonzero(chance_M < 1)
    count = round(float(chance_M[open_].sum()))
    edges = np.cumsum(chance_M[open_])
    marks = (rng.random() + np.arange(count)) * (edges[-1] / count) if count else np.zeros(0)
    return np.concatenate([sure, open_[np.searchsorted(edges, marks, side="right")]])
