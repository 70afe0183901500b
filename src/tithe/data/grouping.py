"""Group-aware splits: rows that belong together (one source, twins, copies) stay in one part."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence

import numpy as np

from tithe.arrays import Array, Rows

# The exchange step: groups that take part, most exchanges tried, and partners tried for each.
_SAMPLE, _TRIES, _PARTNERS = 4096, 1000, 256


def rows_sharing_value(values: Iterable[Hashable | None]) -> Iterator[list[int]]:
    """Yield the positions of each value that occurs more than once; None does not count as a value."""
    rows_of: dict[Hashable, list[int]] = {}
    for row, value in enumerate(values):
        if value is not None:
            rows_of.setdefault(value, []).append(row)
    return (rows for rows in rows_of.values() if len(rows) > 1)


def connected_components(count: int, links: Iterable[Sequence[int]]) -> Rows:
    """Number the groups of rows that links connect, directly or through other rows; a row without links is a group.

    Returns
    -------
    The group of each row, shape (N,), numbered from 0 by first row.
    """
    groups = Groups(count)
    pairs = [(rows[0], row) for rows in links for row in rows[1:]]
    groups.join(np.array(pairs, dtype=np.int64).reshape(-1, 2))
    return groups.numbered()


class Groups:
    """Rows in groups that grow together: a forest of rows in one array, whose roots are the first rows of groups."""

    def __init__(self, count: int) -> None:
        self._above_N = np.arange(count)

    def join(self, pair_P2: Rows) -> None:
        """Make one group of the groups of each pair of rows."""
        while len(pair_P2):
            root_P2 = np.sort(self.roots(pair_P2), axis=1)
            pair_P2 = root_P2[root_P2[:, 0] != root_P2[:, 1]]
            # Of several lower roots the lowest is taken; the next turn joins it with the others.
            np.minimum.at(self._above_N, pair_P2[:, 1], pair_P2[:, 0])

    def roots(self, rows: Rows) -> Rows:
        """Return the first row of the group of each of some rows, in their shape."""
        found = self._above_N[rows]
        while ((above := self._above_N[found]) != found).any():
            found = above
        self._above_N[rows] = found
        return found

    def numbered(self) -> Rows:
        """Return the group of each row, shape (N,), numbered from 0 by first row."""
        root_N = self.roots(np.arange(len(self._above_N)))
        number_N = np.cumsum(root_N == np.arange(len(root_N))) - 1
        return np.asarray(number_N[root_N])


def divide(
    groups_N: Rows, labels_N: Rows, strata_N: Rows, shares_P: Sequence[float], covered_PK: Array, seed: int
) -> Rows:
    """Assign groups to parts so that each part gets its share of the rows, of each class and of each stratum.

    Groups of equal composition are dealt in proportion to the rows that the parts still lack; the remainder is drawn
    with the same probabilities. Then groups are exchanged while that reduces the squared deviations. If a part still
    lacks a class, the smallest group that another part can spare moves there.

    Parameters
    ----------
    groups_N, labels_N, strata_N
        Group, class and stratum of each row, shape (N,), from 0; group numbers are contiguous.
    shares_P
        Share of the rows for each part, shape (P,), summing to 1; a part with share 0 gets none.
    covered_PK
        Whether a part already has a class, from rows outside this call, shape (P, K).
    seed
        Decides which of several equal groups goes to which part.

    Returns
    -------
    The part of each row, shape (N,).
    """
    rng = np.random.default_rng([seed, 0x6209])
    order_N = np.lexsort((labels_N, strata_N, groups_N))
    rows_G = np.split(order_N, np.flatnonzero(np.diff(groups_N[order_N])) + 1)
    open_P = np.flatnonzero(np.asarray(shares_P) > 0)
    tally = _Tally(labels_N, strata_N, covered_PK.shape[1])
    lack_PF = np.outer(np.asarray(shares_P, dtype=np.float64)[open_P], tally.counts(order_N))
    parts_G = _deal(rows_G, tally, lack_PF, rng)
    _exchange(parts_G, rows_G, tally, lack_PF, rng)
    _add_missing_classes(parts_G, rows_G, labels_N, covered_PK[open_P])
    return np.asarray(open_P[parts_G][groups_N])


class _Tally:
    """Counts rows by what a split balances: strata, classes, and the total; F numbers."""

    def __init__(self, labels_N: Rows, strata_N: Rows, classes: int) -> None:
        self._kinds = (strata_N, int(strata_N.max()) + 1), (labels_N, classes)
        self._composition_NM = np.stack([strata_N, labels_N], axis=1)

    def counts(self, rows: Rows) -> Rows:
        """Return the counts of some rows, shape (F,)."""
        return np.concatenate([*(np.bincount(kind_N[rows], minlength=n) for kind_N, n in self._kinds), [len(rows)]])

    def composition(self, rows: Rows) -> bytes:
        """Return a key that is equal for equal strata and labels of sorted rows, and longer for more rows."""
        return self._composition_NM[rows].tobytes()


def _deal(rows_G: list[Rows], tally: _Tally, lack_PF: Array, rng: np.random.Generator) -> Rows:
    """Return a part for each group, large groups first; `lack_PF` is updated to what each part still lacks."""
    same: dict[bytes, list[int]] = {}
    for group, rows in enumerate(rows_G):
        same.setdefault(tally.composition(rows), []).append(group)
    parts_G = np.empty(len(rows_G), dtype=np.int64)
    for key in sorted(same, key=lambda key: (-len(key), key)):
        groups = rng.permutation(same[key])
        count_F = tally.counts(rows_G[groups[0]])
        quota_P = np.floor(_probabilities(lack_PF @ count_F) * len(groups) + 1e-9).astype(np.int64)
        certain = int(quota_P.sum())
        parts_G[groups[:certain]] = np.repeat(np.arange(len(quota_P)), quota_P)
        lack_PF -= np.outer(quota_P, count_F)
        for group in groups[certain:]:
            parts_G[group] = rng.choice(len(quota_P), p=_probabilities(lack_PF @ count_F - count_F @ count_F))
            lack_PF[parts_G[group]] -= count_F
    return parts_G


def _probabilities(lack_P: Array) -> Array:
    """Return probabilities in proportion to what each part lacks; if none lacks anything, the neediest gets 1."""
    positive_P = lack_P.clip(0)
    if positive_P.any():
        return np.asarray(positive_P / positive_P.sum())
    neediest_P: Array = np.eye(len(lack_P))[lack_P.argmax()]
    return neediest_P


def _exchange(parts_G: Rows, rows_G: list[Rows], tally: _Tally, lack_PF: Array, rng: np.random.Generator) -> None:
    """Swap two groups, or move one, where that reduces the sum of squared deviations."""
    groups = rng.permutation(len(rows_G))[:_SAMPLE]
    # An empty group for each part follows the real ones: swapping with it moves a group alone.
    parts_E = np.append(parts_G[groups], np.arange(len(lack_PF)))
    count_EF = np.array([*(tally.counts(rows_G[group]) for group in groups), *np.zeros_like(lack_PF, dtype=np.int64)])
    for one in rng.integers(len(groups), size=min(_TRIES, 10 * len(groups))):
        others = np.append(rng.integers(len(groups), size=_PARTNERS), np.arange(len(groups), len(parts_E)))
        more_OF = count_EF[one] - count_EF[others]
        gain_O = ((lack_PF[parts_E[others]] - lack_PF[parts_E[one]] - more_OF) * more_OF).sum(axis=1)
        best = int(gain_O.argmax())
        if gain_O[best] > 1e-9:
            source, target = parts_E[one], parts_E[others[best]]
            lack_PF[source] += more_OF[best]
            lack_PF[target] -= more_OF[best]
            parts_E[one] = target
            if others[best] < len(groups):
                parts_E[others[best]] = source
    parts_G[groups] = parts_E[: len(groups)]


def _add_missing_classes(parts_G: Rows, rows_G: list[Rows], labels_N: Rows, covered_PK: Array) -> None:
    """Give each part that lacks a class the smallest group with it that another part can spare, if any."""
    has_GK = np.array([np.bincount(labels_N[rows], minlength=covered_PK.shape[1]) > 0 for rows in rows_G])
    size_G = np.array([len(rows) for rows in rows_G])
    for part, label in np.argwhere(~covered_PK):
        held_PK = np.array([has_GK[parts_G == p].sum(axis=0) for p in range(len(covered_PK))]) + covered_PK
        spare_G = has_GK[:, label] & (~has_GK | (held_PK[parts_G] > 1)).all(axis=1)
        if not held_PK[part, label] and spare_G.any():
            parts_G[np.where(spare_G, size_G, np.inf).argmin()] = part
