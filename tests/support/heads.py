"""A pool with a trained head, and how far the head of weighted rows of it is from that."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.cross_validation import standardised
from tithe.select.pool import Pool
from tithe.select.signals import linear_probes


def penalty(rows: int) -> float:
    """Return λ of what `linear_probes.fitted` minimises: mean cross-entropy + λ/2 ‖weights‖²."""
    return 1 / (0.05 * rows)


def headed_pool(rows: int = 400, width: int = 6, classes: int = 3) -> Pool:
    """Return noisy labels of random features, and the probabilities of their head."""
    rng = np.random.default_rng(5)
    X_ND = rng.normal(size=(rows, width)).astype(np.float32)
    labels_N = (X_ND @ rng.normal(size=(width, classes)) + rng.gumbel(size=(rows, classes))).argmax(axis=1)
    probs_NC, _ = linear_probes.fitted(X_ND, np.arange(rows), labels_N)
    head = {"head_probs": probs_NC, "head_labels": labels_N, "head_penalty": np.full(rows, penalty(rows))}
    held_out_NC = linear_probes.out_of_fold(X_ND, labels_N, classes, 5, 0)
    return Pool.of(
        labels_N,
        np.arange(rows),
        {"embeddings": X_ND, **head, "probs": held_out_NC},
    )


def distance(pool: Pool, rows_K: Rows, weight_K: Array, labels_K: Rows | None = None) -> float:
    """Return the root mean square difference of the logits of both heads, over all rows of the pool."""
    X_ND, n, every = standardised(pool.embeddings), len(pool), np.arange(len(pool))
    labels_K = pool.labels[rows_K] if labels_K is None else labels_K
    logits = []
    for rows, labels, weights in (
        (every, pool.labels, np.ones(n)),
        (rows_K, labels_K, weight_K * n / len(rows_K)),
    ):
        kept = weights > 0
        found = linear_probes.weighted(X_ND[rows[kept]], labels[kept], weights[kept], penalty(n) * n)
        logits_NC = X_ND @ found[0].T + found[1]
        if logits_NC.shape[1] == 1:
            logits_NC = np.c_[-logits_NC, logits_NC] / 2
        logits.append(logits_NC - logits_NC.mean(axis=1, keepdims=True))
    return float(np.sqrt(((logits[0] - logits[1]) ** 2).mean()))
