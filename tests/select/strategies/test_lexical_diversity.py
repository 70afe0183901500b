"""The richest vocabulary among texts of like length."""

from __future__ import annotations

import numpy as np

from support.pools import select
from tithe.select.pool import Pool


def test_lexical_diversity_is_judged_among_texts_of_like_length() -> None:
    lengths = np.repeat([5, 50], 10)
    value = np.concatenate([np.linspace(0, 0.1, 10), np.linspace(0.5, 0.9, 10)])
    signals = {**dict.fromkeys(("hdd", "mtld", "ttr"), value), "lengths": lengths}
    got = select(Pool.of(np.zeros(20, dtype=np.int64), np.arange(20), signals), "lexical_diversity", budget=0.2)
    assert got.rows.tolist() == [8, 9, 18, 19]
