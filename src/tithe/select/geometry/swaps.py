"""Exchange of rows: a subset whose gradients sum to a target, one row against one of its class at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.geometry.gradients import Gradients
from tithe.select.pool import Pool

PASSES = 4
BLOCK, CHOSEN = 1536, 512  # rows that are compared at once, and how many of them at most are chosen ones
_GAIN = 0.01  # a pass that takes away less than this share of the error is the last


def classes_of(pool: Pool, quota_C: Rows) -> Rows:
    """Return the classes that a quota is for, shape (N,): one of all rows where it has one number."""
    return pool.groups if len(quota_C) > 1 else np.zeros(len(pool), dtype=np.int64)


def drawn(groups_N: Rows, quota_C: Rows, rng: np.random.Generator) -> Rows:
    """Return random rows, as many of each group as its quota says; the groups take turns."""
    order_N = rng.permutation(len(groups_N))
    order_N = order_N[np.argsort(groups_N[order_N], kind="stable")]
    size_C = np.bincount(groups_N, minlength=len(quota_C))
    place_N = np.arange(len(order_N)) - np.repeat(np.cumsum(size_C) - size_C, size_C)
    quota_N = quota_C[groups_N[order_N]]
    inside = np.flatnonzero(place_N < quota_N)
    chosen_K: Rows = order_N[inside[np.argsort((place_N[inside] + 0.5) / quota_N[inside], kind="stable")]]
    return chosen_K


def exchanged(
    gradients: Gradients, rows_K: Rows, groups_N: Rows, target_AB: Array, weight_N: Array, rng: np.random.Generator
) -> Rows:
    """Exchange rows for others of their groups while that brings Σ w F of the chosen ones nearer to a target.

    Each row in turn is taken out and the best of at most 1,535 others put in, for up to four passes. The inner products
    of a block of rows are one matrix product, by which all exchanges within the block are exact.

    Parameters
    ----------
    rows_K
        The rows to begin with, distinct.
    weight_N
        Of each row, were it chosen.

    Returns
    -------
    As many rows of each group, each at the place of the row that it replaced, shape (K,).
    """
    rows_K, groups_K = rows_K.copy(), groups_N[rows_K]
    residual_AB = target_AB - gradients.take(rows_K).total(weight_N[rows_K])
    for _ in range(PASSES):
        before = float((residual_AB**2).sum())
        for places, others in _blocks(rows_K, groups_K, groups_N, rng):
            block_R = np.concatenate([rows_K[places], others])
            part, weight_R = gradients.take(block_R), weight_N[block_R]
            gram_RR = part.gram() * np.outer(weight_R, weight_R)
            now = _exchange(gram_RR, part.along(residual_AB) * weight_R, len(places))
            change_R = weight_R * (np.arange(len(block_R)) < len(places))
            change_R[now] -= weight_R[now]
            residual_AB += part.total(change_R)
            rows_K[places] = block_R[now]
        if float((residual_AB**2).sum()) >= (1 - _GAIN) * before:
            break
    return rows_K


def _blocks(rows_K: Rows, groups_K: Rows, groups_N: Rows, rng: np.random.Generator) -> Iterator[tuple[Rows, Rows]]:
    """Yield places of chosen rows of a group, and rows of it that are not chosen; all groups mixed."""
    places = [
        part
        for c in np.unique(groups_K)
        for mine in [rng.permutation(np.flatnonzero(groups_K == c))]
        for part in np.array_split(mine, -(-len(mine) // CHOSEN))
    ]
    members = {c: np.flatnonzero(groups_N == c) for c in np.unique(groups_K)}
    inside_N = np.zeros(len(groups_N), dtype=bool)
    for i in rng.permutation(len(places)):
        inside_N[:] = False
        inside_N[rows_K] = True
        mine = members[groups_K[places[i][0]]]
        others = mine[~inside_N[mine]]
        size = min(len(others), BLOCK - len(places[i]))
        yield places[i], rng.permutation(others)[:size]


def _exchange(gram_RR: Array, along_R: Array, count: int) -> Rows:
    """Exchange the first `count` rows of a block, in turn, for better ones; return which are chosen now.

    With the residual r, taking out i and putting in j makes ‖r + F_i − F_j‖²: what depends on j is
    ‖F_j‖² − 2⟨r + F_i, F_j⟩.
    """
    now, norm_R = np.arange(count), gram_RR.diagonal().astype(np.float64)
    open_R = norm_R.copy()  # infinite where a row is chosen
    open_R[:count] = np.inf
    for i in range(count):
        with_i_R = along_R + gram_RR[i]
        cost_R = open_R - 2 * with_i_R
        stay = norm_R[i] - 2 * with_i_R[i]
        best = int(cost_R.argmin())
        if cost_R[best] < stay:
            now[i] = best
            open_R[i], open_R[best] = norm_R[i], np.inf
            along_R = with_i_R - gram_RR[best]
    return now
