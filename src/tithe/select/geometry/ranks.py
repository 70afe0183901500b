"""Ranks within groups, bins of length, entropy and errors: they put different measures on one scale."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows, by_rows


def ranks(values_N: Array, groups_N: Rows | None = None) -> Array:
    """Return the rank of each value within its group, from 0 (lowest) to 1, ties sharing their mean rank.

    Values that are not a number rank in the middle.
    """
    out_N = np.full(len(values_N), 0.5)
    groups_N = np.zeros(len(values_N), dtype=np.int64) if groups_N is None else groups_N
    for group in np.unique(groups_N):
        rows = np.flatnonzero((groups_N == group) & ~np.isnan(values_N))
        if len(rows) > 1:
            out_N[rows] = _mean_ranks(values_N[rows]) / (len(rows) - 1)
    return out_N


def _mean_ranks(values_N: Array) -> Array:
    _, inverse_N, counts_G = np.unique(values_N, return_inverse=True, return_counts=True)
    last_G = np.cumsum(counts_G) - 1
    mean_N: Array = (last_G - (counts_G - 1) / 2)[inverse_N]
    return mean_N


def length_bins(lengths_N: Rows, bins: int = 10) -> Rows:
    """Return the quantile bin of each length, shape (N,); equal lengths share a bin."""
    edges = np.quantile(lengths_N, np.linspace(0, 1, bins + 1)[1:-1])
    bins_N: Rows = np.searchsorted(np.unique(edges), lengths_N, side="left")
    return bins_N


def entropy(probs_NC: Array) -> Array:
    """Return the entropy of each row in units of ln C: 0 is certain, 1 is uniform (Shannon 1948)."""

    def of(some_MC: Array, _: slice) -> Array:
        p_MC = np.asarray(some_MC, dtype=np.float64)
        return np.asarray(-(p_MC * np.log(p_MC.clip(1e-12))).sum(axis=1) / np.log(max(2, p_MC.shape[1])))

    return by_rows(of, probs_NC)


def margins(probs_NC: Array) -> Array:
    """Return the highest less the second highest probability of each row, shape (N,); 1 where there is one class."""
    if probs_NC.shape[1] == 1:
        return np.ones(len(probs_NC))

    def of(some_MC: Array, _: slice) -> Array:
        top_M2 = np.partition(np.asarray(some_MC, dtype=np.float64), -2, axis=1)[:, -2:]
        return np.asarray(top_M2[:, 1] - top_M2[:, 0])

    return by_rows(of, probs_NC)


def error_norms(probs_NRC: Array, labels_N: Rows) -> Array:
    """Return ‖p − onehot(y)‖₂ for each row and run, shape (N, R): EL2N (Paul et al. 2021)."""

    def of(some_MRC: Array, place: slice) -> Array:
        wrong_MRC = np.array(some_MRC, dtype=np.float64)
        wrong_MRC[np.arange(len(wrong_MRC)), :, labels_N[place]] -= 1
        return np.asarray(np.linalg.norm(wrong_MRC, axis=-1))

    return by_rows(of, probs_NRC)


def without_hardest(error_N: Array, share: float) -> tuple[Rows, Rows]:
    """Return the rows but for the share with the largest errors, sorted, and that share, the least hard row first."""
    order_N = np.argsort(error_N, kind="stable")
    kept = len(error_N) - int(share * len(error_N))
    return np.sort(order_N[:kept]), order_N[kept:]
