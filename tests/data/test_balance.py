"""Classes brought to one size, and their weights."""

from collections import Counter

import numpy as np
import pytest

from support.classes import codes
from tithe.data import balance

BALANCES = [
    (False, False, {0: 9, 1: 4, 2: 2}),
    (True, False, {0: 9, 1: 9, 2: 9}),
    (False, True, {0: 2, 1: 2, 2: 2}),
    (True, True, {0: 4, 1: 4, 2: 4}),
]


@pytest.mark.parametrize(("upsample", "downsample", "sizes"), BALANCES)
def test_balancing_brings_the_classes_to_one_size(upsample: bool, downsample: bool, sizes: dict[int, int]) -> None:
    labels = codes(9, 4, 2)
    rows = balance.resample(labels, upsample, downsample, seed=0)
    assert Counter(labels[rows].tolist()) == sizes
    assert (np.diff(rows) >= 0).all()
    for c, size in sizes.items():
        times = np.bincount(rows, minlength=len(labels))[labels == c]
        assert times.sum() == size
        assert times.max() - times.min() <= 1


def test_balancing_is_seeded() -> None:
    labels = codes(90, 40)
    rows = [balance.resample(labels, False, True, seed).tolist() for seed in (1, 1, 2)]
    assert rows[0] == rows[1] != rows[2]


def test_class_weights_have_mean_one_over_the_rows() -> None:
    labels = np.array([0] * 6 + [1] * 3 + [3])
    weights = balance.class_weights(labels, 4)
    assert weights.dtype == np.float32
    assert weights[labels].mean() == pytest.approx(1)
    assert weights == pytest.approx([10 / 18, 10 / 9, 0, 10 / 3])
