"""Splits that are complete, disjoint, exact and stratified."""

import numpy as np
import pytest

from support.classes import codes
from tithe.data import splits

SPLITS = [
    ((50, 50), 0.1, 0.1),
    ((50, 30, 20), 0.2, 0.0),
    ((15,) * 77, 0.1, 0.1),
    ((15,) * 77, 0.1, 0.0),
    ((900, 90, 10), 0.15, 0.05),
    ((997, 3), 0.1, 0.1),
    ((333, 334, 335), 0.333, 0.333),
    ((5, 5), 0.4, 0.4),
    ((101, 7, 2, 1), 0.1, 0.1),
]


@pytest.mark.parametrize(("sizes", "val", "test"), SPLITS)
def test_splits_are_complete_disjoint_exact_and_stratified(sizes: tuple[int, ...], val: float, test: float) -> None:
    labels = codes(*sizes)
    found = splits.stratified(labels, val, test, seed=3)
    parts = {"train": found.train, "val": found.val, "test": found.test}
    assert sorted(np.concatenate(list(parts.values())).tolist()) == list(range(len(labels)))
    assert all((np.diff(part) > 0).all() for part in parts.values())
    assert len(found.val) == int(np.floor(val * len(labels) + 0.5))
    assert len(found.test) == int(np.floor(test * len(labels) + 0.5))
    for name, ratio in (("val", val), ("test", test)):
        counts = np.bincount(labels[parts[name]], minlength=len(sizes))
        for c, size in enumerate(sizes):
            if c in found.too_small or ratio == 0:
                assert counts[c] == 0
            else:
                # Room for the one row that small classes are given, which the large ones make up for.
                assert 1 <= counts[c] < size
                assert abs(counts[c] - ratio * size) <= 2
    assert (np.bincount(labels[found.train], minlength=len(sizes)) >= 1).all()


@pytest.mark.parametrize("sizes", [(3, 3), (3, 3, 3), (4, 9, 30)])
def test_train_keeps_a_row_of_each_class_however_greedy_the_others(sizes: tuple[int, ...]) -> None:
    labels = codes(*sizes)
    found = splits.stratified(labels, 0.4, 0.55, seed=0)
    assert found.too_small == ()
    for part in (found.train, found.val, found.test):
        assert set(labels[part].tolist()) == set(range(len(sizes)))


def test_small_classes_are_named_and_stay_in_train() -> None:
    labels = codes(40, 3, 2, 1)
    found = splits.stratified(labels, 0.1, 0.1, seed=0)
    assert found.too_small == (2, 3)
    assert set(labels[found.val]) == set(labels[found.test]) == {0, 1}
    assert np.bincount(labels[found.train])[[2, 3]].tolist() == [2, 1]
    assert splits.stratified(labels, 0.1, 0.0, seed=0).too_small == (3,)


def test_a_seed_decides_a_split() -> None:
    labels = codes(60, 40)
    same = [splits.stratified(labels, 0.1, 0.1, seed) for seed in (1, 1, 2)]
    assert same[0].hash == same[1].hash != same[2].hash
    assert same[0].val.tolist() == same[1].val.tolist() != same[2].val.tolist()


REMAINDERS = [
    ([1, 1], 2, [9, 9], [1, 1]),
    ([1, 1], 3, [9, 9], [2, 1]),
    ([5, 3, 2], 10, [9, 9, 9], [5, 3, 2]),
    ([47, 16, 15.8, 12, 6.1, 3.1], 10, [99] * 6, [5, 2, 1, 1, 1, 0]),  # a textbook case of Hamilton's method
    ([1, 1, 1], 4, [1, 9, 9], [1, 2, 1]),
    ([10, 1, 1], 6, [2, 9, 9], [2, 2, 2]),
    ([1, 1], 99, [3, 4], [3, 4]),
    ([1, 1], 0, [3, 4], [0, 0]),
    ([0, 0], 3, [2, 2], [2, 1]),
    ([0, 1], 3, [5, 5], [0, 3]),
]


@pytest.mark.parametrize(("weights", "total", "caps", "counts"), REMAINDERS)
def test_largest_remainder_known_answers(weights: list[float], total: int, caps: list[int], counts: list[int]) -> None:
    assert splits.largest_remainder(np.array(weights, float), total, np.array(caps)).tolist() == counts


def test_largest_remainder_is_exact_and_fair_on_random_shares() -> None:
    rng = np.random.default_rng(0)
    for _ in range(300):
        caps = rng.integers(0, 50, rng.integers(1, 12))
        total = int(rng.integers(0, 200))
        weights = rng.random(len(caps))
        counts = splits.largest_remainder(weights, total, caps)
        assert counts.sum() == min(total, caps.sum())
        assert (counts <= caps).all()
        assert (counts >= np.minimum(np.floor(total * weights / weights.sum()), caps)).all()


@pytest.mark.parametrize(("ratio", "rows", "each"), [(0.1, 116, {1, 2}), (0.2, 231, {3}), (0.3, 347, {4, 5})])
def test_seventy_seven_classes_of_fifteen(ratio: float, rows: int, each: set[int]) -> None:
    """Of 1155 rows a tenth is 115.5, rounded half up; every class gives its share to within a row."""
    labels = codes(*(15,) * 77)
    found = splits.stratified(labels, ratio, 0.0, seed=0)
    assert len(found.val) == rows
    assert set(np.bincount(labels[found.val], minlength=77).tolist()) == each
