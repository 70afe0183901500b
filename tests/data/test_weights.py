"""Weights as they are read, combined and described."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tithe.data import weights
from tithe.errors import InputError


@pytest.mark.parametrize("raw", [2, 0, 0.5, "0.5", " 3 ", "1e-3", np.float32(0.25), Decimal("1.5")])
def test_numbers_are_weights(raw: Any) -> None:
    assert weights.parse(raw) == float(raw)


@pytest.mark.parametrize("raw", [-1, "-0.1", "heavy", "0,5", "nan", float("nan"), "inf", None, "", True, [1], 10**400])
def test_anything_else_is_refused_in_one_line(raw: Any) -> None:
    with pytest.raises(InputError, match="each training row needs a finite number of at least 0") as caught:
        weights.parse(raw)
    assert len(str(caught.value).splitlines()) == 1 and len(str(caught.value)) < 120


COMBINED: list[tuple[list[list[float] | None], list[float] | None]] = [
    ([None, None], None),
    ([[1, 1, 1], None], None),
    ([[5, 5], [2, 2]], None),
    ([None, [1, 3]], [0.5, 1.5]),
    ([[1, 3], [3, 1]], None),
    ([[1, 0, 2], [4, 1, 1]], [2, 0, 1]),
    ([[1e300, 3e300]], [0.5, 1.5]),  # float32 ends at 3e38
    ([[1e-300, 3e-300], [1e-300, 1e-300]], [0.5, 1.5]),
]


@pytest.mark.parametrize(("given", "expected"), COMBINED)
def test_weights_multiply_and_have_the_mean_one(given: list[list[float] | None], expected: list[float] | None) -> None:
    found = weights.combined(*(None if each is None else np.array(each, dtype=float) for each in given))
    if expected is None:
        assert found is None
    else:
        assert found is not None and found.dtype == np.float32
        np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize("given", [[[0.0, 0.0]], [[0.0, 1.0], [1.0, 0.0]]])
def test_weights_that_are_all_zero_are_refused(given: list[list[float]]) -> None:
    with pytest.raises(InputError, match="the weights of all 2 training rows are 0"):
        weights.combined(*map(np.array, given))


def test_a_description_has_the_range_and_the_mean() -> None:
    assert weights.describe("w", np.array([0.0, 1.0, 3.0, 2.0])) == {
        **{"column": "w", "rows": 4, "zero": 1, "smallest": 0.0, "largest": 3.0, "mean": 1.5}
    }
    with pytest.raises(InputError):
        weights.describe("w", np.zeros(3))
