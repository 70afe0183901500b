"""Which groups of near copies have several labels."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.audit.copies import _of_several_labels
from tithe.data.grouping import rows_sharing_value


@pytest.mark.parametrize(
    ("groups", "labels", "expected"),
    [
        ([0, 1, 0, 2, 1, 0], [5, 1, 6, 1, 1, 5], [[0, 2, 5]]),
        ([0, 1, 2], [0, 1, 2], []),
        ([0, 0, 1, 1], [1, 0, 0, 1], [[0, 1], [2, 3]]),
    ],
)
def test_groups_of_several_labels_are_found(groups: list[int], labels: list[int], expected: list[list[int]]) -> None:
    assert [rows.tolist() for rows in _of_several_labels(np.array(groups), np.array(labels))] == expected


def test_they_are_those_of_a_search_row_by_row() -> None:
    rng = np.random.default_rng(0)
    _, first, number_N = np.unique(rng.integers(80, size=200), return_index=True, return_inverse=True)
    group_N, labels_N = np.argsort(np.argsort(first))[number_N], rng.integers(2, size=200)
    slow = [rows for rows in rows_sharing_value(group_N.tolist()) if len(set(labels_N[rows].tolist())) > 1]
    assert [rows.tolist() for rows in _of_several_labels(group_N, labels_N)] == slow and len(slow) > 5
