"""Rows to which all others are most similar: Σ max cosine, lazily greedy (Lin & Bilmes 2011; Minoux 1978)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Section
from tithe.select.geometry.greedy import top
from tithe.select.geometry.neighbors import unit
from tithe.select.pool import Pool

NEEDS = ("embeddings",)
_ROWS, _CELLS = 64, 2**22  # of a block that races, and similarities in memory: a matter of speed, not of results
_ROUNDING = 1e-6  # of a gain: copies tie, whatever their places in a block


class Options(Section):
    """Of the rows that are to be near a pick."""

    rows: Positive = Field(10_000, description="random rows whose similarity counts, of larger pools; else all")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return rows in greedy order, and what each adds to the mean similarity of a row to its nearest pick.

    The objective is submodular: the greedy order is within 1 − 1/e of the best, and an old gain bounds the new one. So
    the rows with the highest gains, old or new, race: picks are made among them for as long as the best one beats
    every other bound. Any row may be picked, but of more than `rows` a sample, drawn once, has to be near a pick.
    """
    X_ND = unit(pool.embeddings)
    near_RD = X_ND if len(X_ND) <= options.rows else X_ND[np.sort(rng.permutation(len(X_ND))[: options.rows])]
    cover_R = np.full(len(near_RD), -1, dtype=np.float32)  # the cosine to the nearest pick
    chosen_MD = X_ND[:0] if pool.chosen is None else unit(pool.chosen)
    for similarity_BR in _similarities(chosen_MD, near_RD):
        np.maximum(cover_R, similarity_BR.max(axis=0), out=cover_R)
    rows, gains = list[int](), list[float]()
    if not len(chosen_MD):  # while nothing is covered, gains are sums
        gain_N = X_ND @ near_RD.sum(axis=0) + len(near_RD)
        rows, gains = [int(gain_N.argmax())], [float(gain_N.max())]
        np.maximum(cover_R, near_RD @ X_ND[rows[0]], out=cover_R)
    bound_N = np.concatenate([_gains(part_BR, cover_R) for part_BR in _similarities(X_ND, near_RD)])
    bound_N[rows] = -np.inf
    while len(rows) < count:
        block_B, (outside, _) = top(np.arange(len(X_ND)), bound_N, _ROWS)
        gain_B = bound_N[block_B]
        for best, gain in _race(X_ND[block_B] @ near_RD.T, gain_B, cover_R, outside):
            rows.append(int(block_B[best]))
            gains.append(gain)
            if len(rows) == count:
                break
        bound_N[block_B] = gain_B
    return np.array(rows, dtype=np.int64), np.array(gains) / len(near_RD)


def _similarities(X_ND: Array, near_RD: Array) -> Iterator[Array]:
    step = max(1, _CELLS // len(near_RD))
    return (X_ND[start : start + step] @ near_RD.T for start in range(0, len(X_ND), step))


def _gains(similarity_BR: Array, cover_R: Array) -> Array:
    more_BR = similarity_BR - cover_R
    return np.asarray(np.maximum(more_BR, 0, out=more_BR).sum(axis=-1))


def _race(similarity_BR: Array, gain_B: Array, cover_R: Array, outside: float) -> Iterator[tuple[int, float]]:
    """Yield the best of a few rows with its gain, while it beats the others' bound; update gains and cover in place."""
    gain_B[:] = np.where(gain_B > -np.inf, _gains(similarity_BR, cover_R), -np.inf)
    is_new_B = np.ones(len(gain_B), dtype=bool)
    while True:
        while not is_new_B[best := int(gain_B.argmax())]:
            gain_B[best], is_new_B[best] = _gains(similarity_BR[best], cover_R), True
        gain = float(gain_B[best])
        if gain == -np.inf or gain < outside * (1 - _ROUNDING):
            return
        np.maximum(cover_R, similarity_BR[best], out=cover_R)
        gain_B[best], is_new_B[:] = -np.inf, False
        is_new_B[best] = True  # it is gone, and needs no new gain
        yield best, gain
