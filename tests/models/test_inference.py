"""Outputs of a network that are no numbers are an error, not a prediction."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.errors import TitheError
from tithe.models import inference


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (3, 2), (2, 3, 4)])
def test_finite_values_are_returned_as_they_are(shape: tuple[int, ...]) -> None:
    values = np.ones(shape, dtype=np.float32)
    assert inference.finite(values, "the outputs") is values


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_values_that_are_not_finite_are_counted_and_the_first_is_named(bad: float) -> None:
    values = np.zeros((5, 2), dtype=np.float32)
    values[2, 1] = values[4, 0] = bad
    with pytest.raises(TitheError, match="the outputs for 2 of 5 inputs are not finite, the first is number 2"):
        inference.finite(values, "the outputs")
