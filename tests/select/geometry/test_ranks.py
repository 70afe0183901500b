"""Ranks, ties, the unknown, and bins of length."""

from __future__ import annotations

import numpy as np
import pytest

from support.memory import peak_memory
from tithe.select.geometry.ranks import entropy, error_norms, length_bins, ranks


def test_ranks_share_ties_and_put_the_unknown_in_the_middle() -> None:
    assert ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == pytest.approx([5 / 6, 0, 5 / 6, 1 / 3])
    assert ranks(np.array([1.0, np.nan, 2.0])).tolist() == [0, 0.5, 1]
    assert ranks(np.array([5.0, 1.0, 2.0, 9.0]), np.array([0, 1, 1, 0])).tolist() == [0, 0, 1, 1]
    assert len(np.unique(length_bins(np.arange(100)))) == 10 and set(length_bins(np.full(9, 4))) == {0}


def test_measures_of_many_probabilities_are_taken_in_parts() -> None:
    probs_NRC = np.random.default_rng(0).dirichlet(np.ones(500), (3000, 4)).astype(np.float32)
    labels_N = np.arange(3000) % 500
    wrong_NRC = probs_NRC.astype(np.float64)
    wrong_NRC[np.arange(3000), :, labels_N] -= 1
    norms, certain = np.linalg.norm(wrong_NRC, axis=-1), probs_NRC[:, 0].astype(np.float64)
    uncertain = -(certain * np.log(certain.clip(1e-12))).sum(axis=1) / np.log(500)
    del wrong_NRC
    with peak_memory() as peak:
        found = error_norms(probs_NRC, labels_N), entropy(probs_NRC[:, 0])
    assert np.array_equal(found[0], norms) and np.array_equal(found[1], uncertain)
    assert peak() < probs_NRC.nbytes  # as float64 they take twice as much
