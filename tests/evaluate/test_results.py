"""Probabilities that are written do not depend on the blocks in which they were computed."""

from __future__ import annotations

import numpy as np
import pytest

from tithe import arrays
from tithe.evaluate import results
from tithe.metrics.temperature import Temperature
from tithe.models import inference


@pytest.mark.parametrize("rows", [0, 1, 7, 1000])
def test_probabilities_have_the_same_bits_in_blocks(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    logits_NC = np.random.default_rng(0).normal(size=(rows, 7)).astype(np.float32) * 5
    temperature = Temperature(1.7, 100)
    monkeypatch.setattr(results, "_ROWS", 7)
    monkeypatch.setattr(arrays, "_IN_MEMORY", 100)  # a file
    found = results._in_blocks(lambda part: inference.softmax(temperature.apply(part)), logits_NC)
    assert np.array_equal(found, _at_once(logits_NC.astype(np.float64) / 1.7)) and found.dtype == np.float64
    assert np.array_equal(results._in_blocks(inference.softmax, logits_NC), _at_once(logits_NC))


def _at_once(logits_NC: np.ndarray) -> np.ndarray:
    exp_NC = np.exp(logits_NC.astype(np.float64) - logits_NC.max(axis=1, keepdims=True))
    probs_NC: np.ndarray = exp_NC / exp_NC.sum(axis=1, keepdims=True)
    return probs_NC
