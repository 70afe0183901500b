"""Uncertainty and distance, and both ends between them; certainty and distance alike."""

from __future__ import annotations

import numpy as np

from support.pools import pool, select
from tithe.select.geometry.ranks import entropy


def test_zero_weight_is_k_center_and_full_weight_is_entropy() -> None:
    found = pool(60, classes=2)
    centre = select(found, "k_center", budget=0.2, balance="none", floor=0)
    quality_N = entropy(found.probs)
    for name, best_N in (("entropy_diversity", quality_N), ("qdit_lite", 1 - quality_N)):
        zero = select(found, name, budget=0.2, balance="none", floor=0, options={"weight": 0.0})
        assert (zero.rows == centre.rows).all() and (zero.rank == centre.rank).all()
        full = select(found, name, budget=0.2, balance="none", floor=0, options={"weight": 1.0})
        assert full.rows.tolist() == sorted(np.argsort(-best_N, kind="stable")[:12].tolist())
