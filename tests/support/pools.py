"""A pool of rows with every signal, and selections from it."""

from __future__ import annotations

from typing import Any

import numpy as np

from tithe import config, plugins
from tithe.select import selection
from tithe.select.pool import Pool

NAMES = [
    *("all", "random", "perplexity", "el2n", "ifd", "aflite_readability"),
    *("k_center", "entropy_diversity", "lexical_diversity", "qdit_lite", "edfs_lite"),
]


def pool(rows: int = 120, classes: int = 3, seed: int = 0) -> Pool:
    """A pool with every signal that any strategy needs."""
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, classes, rows))[rng.permutation(rows)]
    labels[:classes] = np.arange(classes)
    probs_NC = rng.dirichlet(np.ones(classes), rows)
    signals = {
        "embeddings": rng.normal(size=(rows, 8)).astype(np.float32),
        "probs": probs_NC,
        "proxy_probs": rng.dirichlet(np.ones(classes), (rows, 4)).astype(np.float32),
        "perplexity": rng.lognormal(3, 1, rows),
        "conditional_loss": rng.exponential(1, rows),
        "prior_loss": -np.log(np.bincount(labels) / rows)[labels],
        "readability": rng.normal(60, 20, rows),
        "lengths": rng.integers(3, 40, rows),
        **{name: rng.random(rows) for name in ("hdd", "mtld", "ttr")},
    }
    return Pool.of(labels, np.arange(rows) * 10, signals)


def select(found: Pool, strategy: str = "random", seed: int = 0, **settings: Any) -> selection.Selection:
    return selection.select(found, config.Select(strategy=strategy, **settings), seed)


def strategy(name: str) -> Any:
    return plugins.load("strategies", name)
