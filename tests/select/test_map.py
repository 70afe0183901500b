"""The map of a selection is computed some rows at a time."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.select import map
from tithe.select.pool import Pool


def chosen(rows: int) -> map.Chosen:
    rng = np.random.default_rng(0)
    x_ND = (rng.normal(size=(rows, 5)) * [5, 1, 3, 0.5, 1] + 7).astype(np.float32)
    return map.Chosen(Pool.of(np.zeros(rows, np.int64), np.arange(rows), {"embeddings": x_ND}), np.arange(3))


def test_the_plane_is_that_of_the_two_largest_components(monkeypatch: pytest.MonkeyPatch) -> None:
    x_ND = chosen(1000).pool.embeddings
    centred_ND = x_ND - x_ND.mean(axis=0)
    _, vectors_DD = np.linalg.eigh(centred_ND.T @ centred_ND)
    whole_N2 = centred_ND @ vectors_DD[:, -2:][:, ::-1]
    assert (chosen(1000).plane_N2 == whole_N2).all() and np.argmax(np.abs(vectors_DD[:, -1])) == 0
    monkeypatch.setattr(map, "_ROWS", 64)
    assert np.allclose(chosen(1000).plane_N2, whole_N2, atol=1e-3)


def test_of_many_chosen_rows_so_many_are_drawn() -> None:
    assert len(map._some(np.arange(100_000), 20_000)) == 20_000
    assert map._some(np.arange(20_000), 20_000).tolist() == list(range(20_000))
