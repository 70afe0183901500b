"""Rows that repeat others, or contradict them."""

import numpy as np

from tithe.data.duplicates import find_duplicates, numbered


def test_repeats_known_answer() -> None:
    keys, labels = np.array([b"a", b"b", b"a", b"c", b"b", b"c", b"d"]), np.array([0, 1, 0, 0, 2, 1, 0])
    keep, duplicate, conflict = find_duplicates(keys, labels)
    assert (keep.tolist(), duplicate.tolist(), conflict.tolist()) == ([0, 6], [2], [1, 3, 4, 5])


def test_keys_are_numbered_by_all_of_their_bytes() -> None:
    keys = [bytes([a]) * 8 + bytes([b]) * 8 for a, b in ((0, 1), (1, 0), (0, 0), (0, 1), (1, 1), (1, 0))]
    numbers = numbered(np.array(keys, dtype="V16"))
    assert (numbers[:, None] == numbers).tolist() == [[one == other for other in keys] for one in keys]
    assert len(numbered(np.empty(0, "V16"))) == 0
