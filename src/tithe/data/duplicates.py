"""Exact duplicates, and equal texts with conflicting labels."""

from __future__ import annotations

from typing import Any

import numpy as np

from tithe.arrays import Rows


def numbered(keys_N: np.ndarray[Any, Any]) -> Rows:
    """Return a number of each key of 16 bytes, shape (N,): numbers are equal if and only if keys are."""
    half_N2 = np.ascontiguousarray(keys_N).view(np.uint64).reshape(-1, 2)
    order = np.lexsort((half_N2[:, 1], half_N2[:, 0]))
    is_new = (half_N2[order][1:] != half_N2[order][:-1]).any(axis=1)
    number_N = np.empty(len(order), dtype=np.int64)
    number_N[order] = np.cumsum(np.append(False, is_new))[: len(order)]
    return number_N


def find_duplicates(keys_N: np.ndarray[Any, Any], labels_N: Rows) -> tuple[Rows, Rows, Rows]:
    """Find rows whose text occurs more than once.

    Parameters
    ----------
    keys_N
        A key of each text; keys are equal if and only if the texts are.
    labels_N
        Class indices.

    Returns
    -------
    keep, duplicate, conflict
        Sorted positions. Of equal texts with the same label the first is kept and the others are duplicates. Equal
        texts with different labels are all conflicts, since no label is known to be right.
    """
    _, first_G, group_N = np.unique(keys_N, return_index=True, return_inverse=True)
    differs_N = labels_N != labels_N[first_G[group_N]]
    conflicting_G = np.zeros(len(first_G), dtype=bool)
    conflicting_G[group_N[differs_N]] = True
    conflict_N = conflicting_G[group_N]
    is_first_N = np.zeros(len(keys_N), dtype=bool)
    is_first_N[first_G] = True
    return (
        np.flatnonzero(is_first_N & ~conflict_N),
        np.flatnonzero(~is_first_N & ~conflict_N),
        np.flatnonzero(conflict_N),
    )
