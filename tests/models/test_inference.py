"""Outputs of a network: those that are no numbers are an error, and probabilities do not depend on the blocks."""

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


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (1000, 7)])
def test_probabilities_have_the_same_bits_in_blocks(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    logits_NC = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 5
    exp_NC = np.exp(logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True))
    whole_NC = exp_NC / exp_NC.sum(axis=1, keepdims=True)
    assert np.array_equal(inference.softmax(logits_NC), whole_NC)
    monkeypatch.setattr(inference, "_NUMBERS", 50)
    assert np.array_equal(inference.softmax(logits_NC), whole_NC)
