"""Rows that repeat others, or contradict them."""

import numpy as np

from tithe.data.duplicates import find_duplicates


def test_repeats_known_answer() -> None:
    keys, labels = np.array([b"a", b"b", b"a", b"c", b"b", b"c", b"d"]), np.array([0, 1, 0, 0, 2, 1, 0])
    keep, duplicate, conflict = find_duplicates(keys, labels)
    assert (keep.tolist(), duplicate.tolist(), conflict.tolist()) == ([0, 6], [2], [1, 3, 4, 5])
