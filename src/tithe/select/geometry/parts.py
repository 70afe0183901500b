"""Picking among many rows: in parts, and then among the picks of all parts (Mirzasoleiman et al. 2013).

Rows that lie together are a part: a cell of k-means. A strategy may want more of one place than of another, as k-center
does of places where rows are far apart; so what it picks from a sample of all rows says what share of the budget each
part gets. Each picks twice its share, so that the rows that turn out to be the best are among the picks of some part,
and what is picked among those is the choice. Where they are still too many, they are divided again; and where twice the
budget is as many rows as there are, each part picks its share, and that is all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.splits import largest_remainder
from tithe.select.geometry import clusters

_SURPLUS = 2  # picks of a part, over its share
_FLOOR = 10  # part of an equal share that a part gets in any case: a sample may lack what is rare
_SAMPLE = 20_000  # rows by which the cells are found
_ROWS = 1 << 16  # whose cells are found at once


class Part(NamedTuple):
    """Some rows, sorted, and how many of them to pick."""

    rows: Rows
    picks: int


# Yields the picks of each part, in the order of the parts: rows, best first, and the score of each, both (K,).
PickEach = Callable[[Sequence[Part]], Iterable[tuple[Rows, Array]]]


def pick(X_ND: Array, part: Part, most: int, rng: np.random.Generator, pick_each: PickEach) -> tuple[Rows, Array]:
    """Pick rows of a large part by those of smaller ones.

    Parameters
    ----------
    X_ND
        Embeddings, which may be memory-mapped: those of all rows are never in memory together.
    most
        Rows of a part that are picked from at once.

    Returns
    -------
    As `PickEach` of one part.
    """
    while len(part.rows) > most:
        parts = _divided(X_ND, part, most, rng, pick_each)
        each = list(pick_each(parts))
        found = np.sort(np.concatenate([rows_K for rows_K, _ in each]))
        if len(found) == part.picks:
            return _in_turns(each)
        part = Part(found, part.picks)
    ((rows_K, score_K),) = pick_each([part])
    return rows_K, score_K


def shards(X_ND: Array, groups_N: Rows, quota_C: Rows, most: int, rng: np.random.Generator) -> list[Part]:
    """Divide each group into cells of at most `most` rows, which share its quota by their sizes; of no picks left out.

    Rows with weights are found in each by itself: what they sum to together is the sum
    of all, so nothing needs to be compared again.
    """
    found = []
    for group in np.flatnonzero(quota_C):
        rows = np.flatnonzero(groups_N == group)
        cells = [rows] if len(rows) <= most else list(_cells(X_ND, rows, most, rng))
        sizes_P = np.array([len(cell) for cell in cells])
        shares_P = largest_remainder(sizes_P, int(quota_C[group]), sizes_P)
        found += [Part(cell, int(count)) for cell, count in zip(cells, shares_P, strict=True) if count]
    return found


def merged(found: Sequence[Part], picks: Sequence[tuple[Rows, Array]], groups_N: Rows) -> tuple[Rows, Array]:
    """Return the picks of all shards, and weights that sum to the rows of each group.

    A weight of 1 counts as N / K of the N rows, both of a shard and of what is returned.
    """
    sizes_C = np.bincount(groups_N)
    group_P = np.array([groups_N[part.rows[0]] for part in found])
    rows_P = np.array([len(part.rows) for part in found])
    seen_C = np.bincount(group_P, rows_P, minlength=len(sizes_C))
    share = sum(part.picks for part in found) / len(groups_N)
    stands_P = share * rows_P * sizes_C[group_P] / seen_C[group_P]  # rows of shards without picks count with the others
    weighed = [
        (rows_K, weight_K * (stands / weight_K.sum()))
        for (rows_K, weight_K), stands in zip(picks, stands_P, strict=True)
    ]
    return _in_turns(weighed)


def _divided(X_ND: Array, part: Part, most: int, rng: np.random.Generator, pick_each: PickEach) -> list[Part]:
    """Return the parts of a part, each with its share of the count, or twice as much if that is fewer than all rows."""
    total = max(_SURPLUS * part.picks, most)
    total = part.picks if total >= len(part.rows) else total
    cells = list(_cells(X_ND, part.rows, most, rng))
    sizes_P = np.array([len(cell) for cell in cells])
    cell_N = np.empty(len(part.rows), dtype=np.int64)
    for number, cell in enumerate(cells):
        cell_N[np.searchsorted(part.rows, cell)] = number
    sample_S = np.sort(rng.permutation(part.rows)[:most])
    wanted = max(1, round(total * len(sample_S) / len(part.rows)))
    ((pilot_K, _),) = pick_each([Part(sample_S, wanted)])
    of_pilot_P = np.bincount(cell_N[np.searchsorted(part.rows, pilot_K)], minlength=len(cells))
    floor_P = np.minimum(sizes_P, max(1, total // (_FLOOR * len(cells))))
    shares_P = floor_P + largest_remainder(of_pilot_P + 1e-9 * sizes_P, total - int(floor_P.sum()), sizes_P - floor_P)
    return [Part(cell, int(count)) for cell, count in zip(cells, shares_P, strict=True)]


def _cells(X_ND: Array, rows_N: Rows, most: int, rng: np.random.Generator) -> Iterator[Rows]:
    """Yield disjoint sorted rows that lie together, at most `most` of them, together all rows."""
    sample_S = np.sort(rng.permutation(rows_N)[:_SAMPLE])
    count = min(len(sample_S), -(-2 * len(rows_N) // most))  # half full on average, so that most need no second cut
    mean_D = X_ND[sample_S].mean(axis=0)
    found = clusters.kmeans(X_ND[sample_S], count, rng)
    starts = range(0, len(rows_N), _ROWS)
    near = [clusters.nearest(X_ND[rows_N[start : start + _ROWS]] - mean_D, found.centres)[0] for start in starts]
    of_N = np.concatenate(near)
    by_cell = np.argsort(of_N, kind="stable")
    for cell in np.split(by_cell, np.cumsum(np.bincount(of_N, minlength=count))[:-1]):
        pieces = max(1, -(-len(cell) // most))
        if pieces > 1:
            cell = rng.permutation(cell)
        yield from (np.sort(rows_N[piece]) for piece in np.array_split(cell, pieces) if len(piece))


def _in_turns(picks: Sequence[tuple[Rows, Array]]) -> tuple[Rows, Array]:
    """Return the picks of all parts, so that those of each come in its order and evenly among the others."""
    rows_K, score_K = (np.concatenate(values) for values in zip(*picks, strict=True))
    places = np.concatenate([(np.arange(len(rows)) + 0.5) / len(rows) for rows, _ in picks])
    order = np.argsort(places, kind="stable")
    return rows_K[order], score_K[order]
