"""Splits in which rows that belong together stay together: one source, twins, copies."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from tithe.arrays import Array, Rows

# Of exchanges: how many groups take part, how many are tried at most, and against how many others each.
_SAMPLE, _TRIES, _PARTNERS = 4096, 1000, 256


def alike(values: Iterable[Hashable | None]) -> Iterator[list[int]]:
    """Yield the positions of each value that stands more than once; None is no value."""
    found: dict[Hashable, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            found.setdefault(value, []).append(row)
    return (rows for rows in found.values() if len(rows) > 1)


def joined(count: int, links: Iterable[Sequence[int]]) -> Rows:
    """Number the groups into which links bind rows, directly or through others; a row without links is a group.

    Returns
    -------
    The group of each row, shape (N,), numbered from 0 in the order of their first rows.
    """
    above = list(range(count))

    def top(row: int) -> int:
        while above[row] != row:
            above[row] = row = above[above[row]]
        return row

    for rows in links:
        for row in rows[1:]:
            low, high = sorted((top(rows[0]), top(row)))
            above[high] = low
    return np.unique([top(row) for row in range(count)], return_inverse=True)[1]


def divide(
    groups_N: Rows, labels_N: Rows, strata_N: Rows, shares_P: Sequence[float], there_PK: Array, seed: int
) -> Rows:
    """Divide groups among parts so that each part has its share of the rows, of each class and of each stratum.

    Groups of one make-up are dealt in proportion to what the parts still want; what is left over is drawn with the
    same chances. Then groups are exchanged as long as that brings the squared deviations down. Where a part is still
    without a class, the smallest group that another part can spare moves there.

    Parameters
    ----------
    groups_N, labels_N, strata_N
        Group, class and stratum of each row, shape (N,), from 0; no number of a group is left out.
    shares_P
        Share of the rows for each part, shape (P,), summing to 1; a part with share 0 gets none.
    there_PK
        Whether a part has a class from elsewhere, shape (P, K).
    seed
        Decides which of equal groups goes where.

    Returns
    -------
    The part of each row, shape (N,).
    """
    rng = np.random.default_rng([seed, 0x6209])
    order_N = np.lexsort((labels_N, strata_N, groups_N))
    rows_G = np.split(order_N, np.flatnonzero(np.diff(groups_N[order_N])) + 1)
    open_P = np.flatnonzero(np.asarray(shares_P) > 0)
    tally = _Tally(labels_N, strata_N, there_PK.shape[1])
    lack_PF = np.outer(np.asarray(shares_P, dtype=np.float64)[open_P], tally.of(order_N))
    parts_G = _dealt(rows_G, tally, lack_PF, rng)
    _exchange(parts_G, rows_G, tally, lack_PF, rng)
    _complete(parts_G, rows_G, labels_N, there_PK[open_P])
    return np.asarray(open_P[parts_G][groups_N])


class _Tally:
    """Counts rows by what a split is to be fair in: strata, classes, and all together; F numbers."""

    def __init__(self, labels_N: Rows, strata_N: Rows, classes: int) -> None:
        self._kinds = (strata_N, int(strata_N.max()) + 1), (labels_N, classes)
        self._make_up_NM = np.stack([strata_N, labels_N], axis=1)

    def of(self, rows: Rows) -> Rows:
        """Return the counts of some rows, shape (F,)."""
        return np.concatenate([*(np.bincount(kind_N[rows], minlength=n) for kind_N, n in self._kinds), [len(rows)]])

    def make_up(self, rows: Rows) -> bytes:
        """Return bytes that are equal where the counts of sorted rows are, and longer for more rows."""
        return self._make_up_NM[rows].tobytes()


def _dealt(rows_G: list[Rows], tally: _Tally, lack_PF: Array, rng: np.random.Generator) -> Rows:
    """Return a part for each group, large groups first; `lack_PF` becomes what each part is still short of."""
    same: dict[bytes, list[int]] = {}
    for group, rows in enumerate(rows_G):
        same.setdefault(tally.make_up(rows), []).append(group)
    parts_G = np.empty(len(rows_G), dtype=np.int64)
    for key in sorted(same, key=lambda key: (-len(key), key)):
        groups = rng.permutation(same[key])
        count_F = tally.of(rows_G[groups[0]])
        whole_P = np.floor(_chances(lack_PF @ count_F) * len(groups) + 1e-9).astype(np.int64)
        sure = int(whole_P.sum())
        parts_G[groups[:sure]] = np.repeat(np.arange(len(whole_P)), whole_P)
        lack_PF -= np.outer(whole_P, count_F)
        for group in groups[sure:]:
            parts_G[group] = rng.choice(len(whole_P), p=_chances(lack_PF @ count_F - count_F @ count_F))
            lack_PF[parts_G[group]] -= count_F
    return parts_G


def _chances(lack_P: Array) -> Array:
    """Return chances in proportion to what each part lacks; where none lacks anything the neediest is certain."""
    positive_P = lack_P.clip(0)
    if positive_P.any():
        return np.asarray(positive_P / positive_P.sum())
    neediest_P: Array = np.eye(len(lack_P))[lack_P.argmax()]
    return neediest_P


def _exchange(parts_G: Rows, rows_G: list[Rows], tally: _Tally, lack_PF: Array, rng: np.random.Generator) -> None:
    """Let two groups change places, or one move alone, where that brings the sum of squared deviations down."""
    groups = rng.permutation(len(rows_G))[:_SAMPLE]
    # Behind the groups stands an empty one for each part, with which to change places is to move alone.
    parts_E = np.append(parts_G[groups], np.arange(len(lack_PF)))
    count_EF = np.array([*(tally.of(rows_G[group]) for group in groups), *np.zeros_like(lack_PF, dtype=np.int64)])
    for one in rng.integers(len(groups), size=min(_TRIES, 10 * len(groups))):
        others = np.append(rng.integers(len(groups), size=_PARTNERS), np.arange(len(groups), len(parts_E)))
        more_OF = count_EF[one] - count_EF[others]
        fall_O = ((lack_PF[parts_E[others]] - lack_PF[parts_E[one]] - more_OF) * more_OF).sum(axis=1)
        best = int(fall_O.argmax())
        if fall_O[best] > 1e-9:
            here, there = parts_E[one], parts_E[others[best]]
            lack_PF[here] += more_OF[best]
            lack_PF[there] -= more_OF[best]
            parts_E[one] = there
            if others[best] < len(groups):
                parts_E[others[best]] = here
    parts_G[groups] = parts_E[: len(groups)]


def _complete(parts_G: Rows, rows_G: list[Rows], labels_N: Rows, there_PK: Array) -> None:
    """Give each part a group of every class, the smallest that another part can do without; if there is one."""
    has_GK = np.array([np.bincount(labels_N[rows], minlength=there_PK.shape[1]) > 0 for rows in rows_G])
    size_G = np.array([len(rows) for rows in rows_G])
    for part, label in np.argwhere(~there_PK):
        held_PK = np.array([has_GK[parts_G == p].sum(axis=0) for p in range(len(there_PK))]) + there_PK
        spare_G = has_GK[:, label] & (~has_GK | (held_PK[parts_G] > 1)).all(axis=1)
        if not held_PK[part, label] and spare_G.any():
            parts_G[np.where(spare_G, size_G, np.inf).argmin()] = part
