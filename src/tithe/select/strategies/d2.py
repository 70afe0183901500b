"""Hard rows among hard rows, away from those chosen: messages on a graph of neighbors (D2, Maharana et al. 2024)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Ratio, Section
from tithe.select.geometry.neighbors import nearest, unit
from tithe.select.geometry.ranks import error_norms, without_hardest
from tithe.select.pool import Pool

NEEDS = ("embeddings", "proxy_probs")


class Options(Section):
    """Of the graph."""

    drop_hardest: Ratio = Field(0.4, description="β: share of rows with the largest error that come last")
    neighbors: Positive = Field(5, description="k: nearest rows that a row has messages from")
    gamma: float = Field(0.1, ge=0, description="γ: how fast the messages of a chosen row fade with distance")


def pick(pool: Pool, count: int, rng: np.random.Generator, options: Options) -> tuple[Rows, Array]:
    """Return the rows with the highest scores after all messages so far, and these scores; the hardest rows come last.

    Distances are those of embeddings at length 1. A row starts with its error plus Σ exp(−d)·error over its neighbors;
    once chosen, it takes exp(−γd) times its score from each neighbor. Where classes have quotas, a row's neighbors are
    of its class.
    """
    error_N = error_norms(pool.proxy_probs, pool.labels).mean(axis=1)
    kept, hardest = without_hardest(error_N, options.drop_hardest)
    near_MK, distance_MK = nearest(unit(pool.embeddings[kept]), options.neighbors)
    score_M = error_N[kept] + (np.exp(-distance_MK) * error_N[kept][near_MK]).sum(axis=1)
    fade_MK = np.exp(-options.gamma * distance_MK)
    rows, scores = [], []
    for _ in range(min(count, len(kept))):
        row = int(score_M.argmax())
        rows.append(row)
        scores.append(float(score_M[row]))
        score_M[near_MK[row]] -= fade_MK[row] * max(scores[-1], 0)  # a negative score recommends no neighbor
        score_M[row] = -np.inf
    last = hardest[: count - len(rows)]
    return np.concatenate([kept[rows], last]), np.concatenate([scores, -error_N[last]])
