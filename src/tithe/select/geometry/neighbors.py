"""Nearest neighbors and copies among embeddings, by cosine, a block of rows at a time: never all pairs at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tithe.arrays import Array, Rows

_ROWS = 512  # of one product
_COLUMNS = 16_384  # of one product, where there is no need of all at once


def unit(X_ND: Array) -> Array:
    """Return the rows at length 1, in float32; a row of zeros stays one."""
    X_ND = np.array(X_ND, dtype=np.float32)
    length_N: Array = np.sqrt(np.einsum("nd,nd->n", X_ND, X_ND))
    X_ND /= np.where(length_N > 0, length_N, 1)[:, None]
    return X_ND


def nearest(unit_ND: Array, count: int) -> tuple[Rows, Array]:
    """Return the nearest other rows of each row of length 1, and their distances, both (N, K), the nearest first.

    K is `count`, or N − 1 if there are fewer rows. Memory is that of a block's similarities, (512, N).
    """
    count = min(count, len(unit_ND) - 1)
    near_NK, distance_NK = np.zeros((len(unit_ND), count), dtype=np.int64), np.zeros((len(unit_ND), count))
    for rows in _blocks(len(unit_ND) if count else 0):
        cosine_BN = unit_ND[rows] @ unit_ND.T
        cosine_BN[np.arange(len(cosine_BN)), np.arange(len(unit_ND))[rows]] = -np.inf  # itself
        near_BK = np.sort(np.argpartition(-cosine_BN, count - 1, axis=1)[:, :count], axis=1)
        cosine_BK = np.take_along_axis(cosine_BN, near_BK, axis=1)
        order_BK = np.argsort(-cosine_BK, axis=1, kind="stable")
        near_NK[rows] = np.take_along_axis(near_BK, order_BK, axis=1)
        distance_NK[rows] = np.sqrt((2 - 2 * np.take_along_axis(cosine_BK, order_BK, axis=1)).clip(0))
    return near_NK, distance_NK


def first_of_copies(X_ND: Array, similarity: float) -> Rows:
    """Return for each row the earlier row that it is a copy of, shape (N,): itself where there is none.

    A copy has a cosine similarity above `similarity` to a row that is no copy itself, the most similar of these: so
    every copy is that near to its row, however long a chain of likenesses is. Rows are compared only with rows that
    are no copies: many copies of one row cost nothing.
    """
    X_ND = unit(X_ND)  # rows that are no copies move to its beginning, so that there is one array only
    of_N, kept_K, count = np.arange(len(X_ND)), np.empty(len(X_ND), dtype=np.int64), 0
    for rows in _blocks(len(X_ND)):
        block_BD = X_ND[rows].copy()
        cosine_B, near_B = _most_similar(block_BD, X_ND[:count])
        is_copy_B = cosine_B > similarity
        of_N[rows][is_copy_B] = kept_K[near_B[is_copy_B]]
        new = np.flatnonzero(~is_copy_B)
        own_B = new[_within(block_BD[new], similarity)]
        of_N[rows][new] = rows.start + own_B
        stays = new[own_B == new]
        X_ND[count : count + len(stays)] = block_BD[stays]
        kept_K[count : count + len(stays)] = rows.start + stays
        count += len(stays)
    return of_N


def _blocks(rows: int) -> Iterator[slice]:
    return (slice(start, min(rows, start + _ROWS)) for start in range(0, rows, _ROWS))


def _most_similar(block_BD: Array, X_KD: Array) -> tuple[Array, Rows]:
    """Return the highest cosine of each row of a block, and the row of it; -1 and 0 where there are no others."""
    best_B, near_B = np.full(len(block_BD), -1, dtype=np.float32), np.zeros(len(block_BD), dtype=np.int64)
    for start in range(0, len(X_KD), _COLUMNS):
        cosine_BK = block_BD @ X_KD[start : start + _COLUMNS].T
        place_B = cosine_BK.argmax(axis=1)
        top_B = cosine_BK[np.arange(len(place_B)), place_B]
        better_B = top_B > best_B
        best_B[better_B], near_B[better_B] = top_B[better_B], start + place_B[better_B]
    return best_B, near_B


def _within(block_BD: Array, similarity: float) -> Rows:
    """Return `first_of_copies` of a few rows, whose similarities fit into memory."""
    cosine_BB = block_BD @ block_BD.T
    of_B = np.arange(len(block_BD))
    for row in np.flatnonzero((np.tril(cosine_BB, -1) > similarity).any(axis=1)):
        earlier = np.where(of_B[:row] == np.arange(row), cosine_BB[row, :row], -np.inf)
        if earlier.max() > similarity:
            of_B[row] = earlier.argmax()
    return of_B
