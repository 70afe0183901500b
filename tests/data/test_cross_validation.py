"""Folds of exact sizes that spread every class."""

import numpy as np

from tithe.data import cross_validation


def test_folds_have_exact_sizes_and_spread_every_class() -> None:
    labels_N = np.random.default_rng(0).permutation(np.repeat([0, 1, 2, 3], [53, 11, 3, 1]))
    fold_N = cross_validation.folds(labels_N, 5, seed=0)
    assert sorted(np.bincount(fold_N)) == [13, 13, 14, 14, 14]
    for c in range(4):
        sizes = np.bincount(fold_N[labels_N == c], minlength=5)
        assert sizes.max() - sizes.min() <= 1
    assert fold_N.tolist() == cross_validation.folds(labels_N, 5, seed=0).tolist()
    assert fold_N.tolist() != cross_validation.folds(labels_N, 5, seed=1).tolist()
