"""Rows of arrays that may be larger than memory: what is mapped stays so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tithe import arrays
from tithe.arrays import Array, Rows, rows_of


def mapped(path: Path, x_ND: Array) -> Array:
    np.save(path, x_ND)
    opened: Array = np.load(path, mmap_mode="r")
    return opened


def test_rows_that_follow_one_another_are_no_copy(tmp_path: Path) -> None:
    x_ND = mapped(tmp_path / "x.npy", np.arange(60, dtype=np.float32).reshape(20, 3))
    found = rows_of(x_ND, np.arange(4, 11))
    assert np.shares_memory(found, x_ND) and (found == x_ND[4:11]).all()


@pytest.mark.parametrize("limit", [0, 1 << 26])
@pytest.mark.parametrize("rows", [[1, 2, 4], [2, 1, 0], [3, 3, 3], [0, 2, 2, 3], [], [19]])
def test_any_rows_are_those_of_an_index(
    rows: list[int], limit: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(arrays, "_IN_MEMORY", limit)
    monkeypatch.setattr(arrays, "_AT_ONCE", 6)  # two rows
    x_ND, rows_R = mapped(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(20, 3))), np.array(rows, np.int64)
    for dtype in (None, np.float32):
        found = rows_of(x_ND, rows_R, dtype)
        expected = x_ND[rows_R].astype(dtype or np.float64)
        assert found.dtype == expected.dtype and found.shape == expected.shape and (found == expected).all()


def test_a_large_copy_is_in_a_file_that_nobody_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "_IN_MEMORY", 0)
    rows: Rows = np.array([0, 2])
    found = rows_of(np.eye(3), rows)
    assert isinstance(found.base, np.memmap) and found.tolist() == [[1, 0, 0], [0, 0, 1]]


def test_rows_of_an_array_by_columns_are_by_rows() -> None:
    found = rows_of(np.asfortranarray(np.arange(12.0).reshape(4, 3)), np.arange(1, 3))
    assert found.flags.c_contiguous and found.tolist() == [[3, 4, 5], [6, 7, 8]]
