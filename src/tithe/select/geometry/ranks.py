"""Ranks within groups, bins of length, entropy and errors: they put different measures on one scale."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows


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
    p_NC = np.asarray(probs_NC, dtype=np.float64)
    share_N: Array = -(p_NC * np.log(p_NC.clip(1e-12))).sum(axis=1) / np.log(max(2, probs_NC.shape[1]))
    return share_N


def margins(probs_NC: Array) -> Array:
    """Return the highest less the second highest probability of each row, shape (N,); 1 where there is one class."""
    p_NC = np.asarray(probs_NC, dtype=np.float64)
    if p_NC.shape[1] == 1:
        return np.ones(len(p_NC))
    top_N2 = np.partition(p_NC, -2, axis=1)[:, -2:]
    margin_N: Array = top_N2[:, 1] - top_N2[:, 0]
    return margin_N


def error_norms(probs_NRC: Array, labels_N: Rows) -> Array:
    """Return ‖p − onehot(y)‖₂ for each row and run, shape (N, R): EL2N (Paul et al. 2021)."""
    wrong_NRC = np.array(probs_NRC, dtype=np.float64)
    wrong_NRC[np.arange(len(labels_N)), :, labels_N] -= 1
    norms_NR: Array = np.linalg.norm(wrong_NRC, axis=-1)
    return norms_NR


def without_hardest(error_N: Array, share: float) -> tuple[Rows, Rows]:
    """Return the rows but for the share with the largest errors, sorted, and that share, the least hard row first."""
    order_N = np.argsort(error_N, kind="stable")
    kept = len(error_N) - int(share * len(error_N))
    return np.sort(order_N[:kept]), order_N[kept:]
