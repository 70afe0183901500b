"""Easy-and-Diverse-First: thirds by entropy, easy ones first, farthest-first inside each."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select import greedy
from tithe.select.pool import Pool
from tithe.select.ranks import entropy

NEEDS = ("embeddings", "probs")
_THIRDS = 3


def pick(pool: Pool, count: int, rng: np.random.Generator, options: object) -> tuple[Rows, Array]:
    """Return the picks of the easy third, then of the medium, then of the hard one, each far from all before."""
    by_entropy = np.argsort(entropy(pool.probs), kind="stable")
    buckets = [np.sort(part) for part in np.array_split(by_entropy, _THIRDS)]
    shares = water_fill(count, [len(bucket) for bucket in buckets])
    rows, gains = np.zeros(0, dtype=np.int64), np.zeros(0)
    for bucket, share in zip(buckets, shares, strict=True):
        if share == 0:
            continue
        before = [part for part in (pool.chosen, pool.embeddings[rows]) if part is not None and len(part)]
        centres = np.concatenate(before) if before else None
        order = greedy.greedy(pool.embeddings[bucket], share, centres=centres)
        rows, gains = np.concatenate([rows, bucket[order.rows_K]]), np.concatenate([gains, order.gains_K])
    return rows, gains


def water_fill(total: int, sizes: list[int]) -> list[int]:
    """Share a total equally among buckets, none above its size; the earliest take the remainder."""
    shares = [0] * len(sizes)
    while total > 0 and (open_ := [i for i, size in enumerate(sizes) if shares[i] < size]):
        each = max(1, total // len(open_))
        for i in open_:
            more = min(each, sizes[i] - shares[i], total)
            shares[i] += more
            total -= more
    return shares
