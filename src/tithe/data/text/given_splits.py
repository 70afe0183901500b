"""Splits that the data have: used as they are, but for training rows whose texts are among the evaluated ones."""

from __future__ import annotations

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data.duplicates import find_duplicates
from tithe.data.splits import PARTS, Split, stratified
from tithe.errors import InputError

TRAIN, VAL, TEST = range(len(PARTS))
NONE = -1  # of a row whose data have no splits


def sift(keys_N: Array, labels_N: Rows, part_N: Rows) -> tuple[Rows, dict[str, Rows]]:
    """Find the rows to drop so that no text is in two splits, and no training text is there twice.

    The test split keeps all of its rows, also texts that it has twice: published scores are of all. A validation row
    whose text is in the test split is dropped, a training row whose text is in either of them, whatever their labels.

    Parameters
    ----------
    keys_N
        A key of each text; keys are equal if and only if the texts are.
    labels_N, part_N
        Class indices, and positions in `PARTS`.

    Returns
    -------
    keep, drops
        Sorted positions: of the rows to keep, and of others by reason.
    """
    in_test_N = (part_N != TEST) & np.isin(keys_N, keys_N[part_N == TEST])
    in_val_N = (part_N == TRAIN) & ~in_test_N & np.isin(keys_N, keys_N[part_N == VAL])
    own = np.flatnonzero((part_N == TRAIN) & ~in_test_N & ~in_val_N)
    keep, duplicate, conflict = (own[rows] for rows in find_duplicates(keys_N[own], labels_N[own]))
    evaluated = np.flatnonzero((part_N != TRAIN) & ~in_test_N)
    drops = {
        "in_test": np.flatnonzero(in_test_N),
        "in_validation": np.flatnonzero(in_val_N),
        "duplicate": duplicate,
        "conflict": conflict,
    }
    return np.sort(np.concatenate([keep, evaluated])), drops


def split(part_N: Rows, labels_N: Rows, settings: config.Data, seed: int) -> Split:
    """Return the given splits; a validation or test split that the data lack is a share of the training rows.

    Raises
    ------
    InputError
        There are no training rows.
    """
    rows = [np.flatnonzero(part_N == part) for part in (TRAIN, VAL, TEST)]
    if not len(rows[TRAIN]):
        raise InputError(f"{settings.path}: no training rows among the given splits: name theirs train")
    shares = (settings.val_ratio, settings.test_ratio)
    val, test = (0.0 if len(own) else share for own, share in zip(rows[1:], shares, strict=True))
    drawn = stratified(labels_N[rows[TRAIN]], val, test, seed)
    train, *others = (rows[TRAIN][part] for part in (drawn.train, drawn.val, drawn.test))
    in_val, in_test = (own if len(own) else other for own, other in zip(rows[1:], others, strict=True))
    return Split(train, in_val, in_test, too_small=drawn.too_small)


def report(part_N: Rows, keys_N: Array) -> dict[str, dict[str, int]]:
    """Return for each given split its rows, and how many of them repeat a text of the split."""
    names = {"train": TRAIN, "validation": VAL, "test": TEST}
    keys_of = {name: keys_N[part_N == part] for name, part in names.items()}
    return {
        name: {"rows": len(own), "repeated": len(own) - len(np.unique(own))}
        for name, own in keys_of.items()
        if len(own)
    }
