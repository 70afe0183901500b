"""EL2N by known answers."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import select
from tithe.select.geometry.ranks import error_norms
from tithe.select.pool import Pool


@pytest.mark.parametrize(
    "logits, label, norm",
    [([0, 0], 0, 0.707107), ([2, 0, 0], 0, 0.260888), ([2, 0, 0], 1, 1.195416), ([1] * 10, 3, 0.948683)],
)
def test_el2n_norms(logits: list[float], label: int, norm: float) -> None:
    p = np.exp(logits) / np.exp(logits).sum()
    assert error_norms(p[None, None], np.array([label]))[0, 0] == pytest.approx(norm, abs=1e-6)


def test_el2n_keeps_the_highest_after_the_very_highest() -> None:
    errors = np.linspace(0, 0.9, 10)
    found = Pool.of(
        np.zeros(10, dtype=np.int64), np.arange(10), {"proxy_probs": np.stack([1 - errors, errors], -1)[:, None]}
    )
    assert select(found, "el2n", budget=0.3, options={"drop_hardest": 0.2}).rows.tolist() == [5, 6, 7]
