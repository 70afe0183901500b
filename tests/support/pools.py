"""Selections from a pool of rows with every signal."""

from __future__ import annotations

from typing import Any

from tithe import config, plugins
from tithe.select import selection
from tithe.select.pool import Pool
from tithe.testing import example_pool as pool

__all__ = ["NAMES", "pool", "select", "strategy"]

NAMES = [
    *("all", "random", "perplexity", "el2n", "ifd", "aflite_readability"),
    *("k_center", "entropy_diversity", "lexical_diversity", "qdit_lite", "edfs_lite"),
]


def select(found: Pool, strategy: str = "random", seed: int = 0, **settings: Any) -> selection.Selection:
    return selection.select(found, config.Select(strategy=strategy, **settings), seed)


def strategy(name: str) -> Any:
    return plugins.load("strategies", name)
