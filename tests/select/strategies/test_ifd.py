"""Instruction-following difficulty by a known answer."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select, strategy
from tithe.select.pool import Pool


def test_ifd_is_the_ratio_of_losses_and_drops_what_misleads() -> None:
    found = strategy("ifd").ratio(-np.log([0.8]), -np.log([0.5]))
    assert found[0] == pytest.approx(0.321928, abs=1e-6)
    made = {"conditional_loss": np.array([0.1, 0.9, 1.5, 0.5]), "prior_loss": np.ones(4)}
    got = select(Pool.of(np.zeros(4, dtype=np.int64), np.arange(4), made), "ifd", budget=0.5)
    assert got.rows.tolist() == [1, 3]
