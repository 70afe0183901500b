"""Which image goes into which split, so that no photograph, pair or copy stands in two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import grouping
from tithe.data.dataset import Dataset
from tithe.data.images.listing import CLASSES, FAKE, PARTS, REAL
from tithe.errors import InputError, did_you_mean

TRAIN, VAL, TEST = range(len(PARTS))
NOWHERE = -1


def parts(images: Dataset, settings: config.Data, seed: int) -> Rows:
    """Return the position in `PARTS` of each image's split, or `NOWHERE`, shape (N,).

    Splits that the data set has come first. What it lacks, `val` or `test`, is cut out of its `train`, as a share of
    it; without any split everything is cut that way. Groups stay whole, and each split gets its share of both classes
    and of every generator, as exactly as groups allow.

    Fakes of a generator that is held out are only tested on. Groups with no other fakes go to the test whole, with
    the real images in them. Groups that have others too are split as if the held-out ones were not there; those stay
    where their group is tested on, and are left out elsewhere: else no such photograph could be trained on. In a test
    split that the data set has, nothing moves.

    Raises
    ------
    InputError
        A source stands in two of the given splits, only some images have one, a split would lack a class, or nothing
        is by a generator that is to be held out.
    """
    given_N, held_N = _given(images, settings.path), _held_out(images, settings)
    group_N = np.array(images.column("group"))
    shares_P = _shares(given_N, settings)
    part_N = np.where((given_N == TRAIN) & (shares_P[TRAIN] < 1), NOWHERE, given_N)
    if TEST not in given_N:
        other_N = (images.labels == FAKE) & ~held_N
        part_N[_joined_to(held_N, group_N) & ~_joined_to(other_N, group_N)] = TEST
    part_N[held_N & (part_N != TEST)] = NOWHERE
    free_N = (part_N == NOWHERE) & ~held_N
    if free_N.any():
        part_N[free_N] = _cut(images, group_N, free_N, part_N, shares_P, seed)
    if TEST not in given_N:
        part_N[held_N & _joined_to(part_N == TEST, group_N)] = TEST
    _check(images.labels, group_N, part_N, shares_P, settings.path)
    return part_N


def _given(images: Dataset, path: str) -> Rows:
    """Return the splits that the data set has, `NOWHERE` for all where it has none."""
    splits = images.column("split")
    if None not in splits:
        for name in ("source", "pair"):
            _refuse_crossing(name, images.column(name), splits, path)
    elif len(splits) > (without := splits.count(None)):
        raise InputError(f"{path}: {without} of {len(splits)} images have no split: give one for all of them, or none")
    return np.array([NOWHERE if split is None else PARTS.index(split) for split in splits], dtype=np.int64)


def _refuse_crossing(name: str, values: list[str | None], splits: list[str], path: str) -> None:
    seen: dict[str, str] = {}
    for value, split in zip(values, splits, strict=True):
        if value is not None and seen.setdefault(value, split) != split:
            raise InputError(
                f"{path}: {name}_id '{value}' stands in {seen[value]} and in {split}: put all of it into one split, "
                "or give no splits, and they are cut by source"
            )


def _held_out(images: Dataset, settings: config.Data) -> Array:
    """Return which images are fakes by a generator that is held out."""
    generator_N = np.array(images.column("generator"))
    fake_N = images.labels == FAKE
    for name in settings.hold_out:
        if name not in (known := set(generator_N[fake_N].tolist())):
            raise InputError(f"{settings.path}: no fakes by '{name}' (data.hold_out){did_you_mean(name, known)}")
    held_N: Array = fake_N & np.isin(generator_N, settings.hold_out)
    return held_N


def _shares(given_N: Rows, settings: config.Data) -> tuple[float, float, float]:
    """Return what of the images that are free to be cut goes to train, val and test."""
    val = 0.0 if VAL in given_N else settings.val_ratio
    test = 0.0 if TEST in given_N else settings.test_ratio
    return 1 - val - test, val, test


def _joined_to(some_N: Array, group_N: Rows) -> Array:
    """Return which images are in a group with some of these."""
    return np.isin(group_N, group_N[some_N])


def _cut(images: Dataset, group_N: Rows, free_N: Array, part_N: Rows, shares_P: Sequence[float], seed: int) -> Rows:
    labels_N = images.labels
    _, generator_N = np.unique(images.column("generator"), return_inverse=True)
    _, group_F = np.unique(group_N[free_N], return_inverse=True)
    there_PK = np.array([[(labels_N[part_N == part] == k).any() for k in (FAKE, REAL)] for part in (TRAIN, VAL, TEST)])
    strata_N = generator_N * len(CLASSES) + labels_N
    return grouping.divide(group_F, labels_N[free_N], strata_N[free_N], shares_P, there_PK, seed)


def _check(labels_N: Rows, group_N: Rows, part_N: Rows, shares_P: Sequence[float], path: str) -> None:
    """Refuse a split that would train on one class, or validate or test on one where the data set does not say so."""
    for part in (TRAIN, VAL, *([TEST] if shares_P[TEST] else [])):
        for label, name in enumerate(CLASSES):
            if not (labels_N[part_N == part] == label).any():
                groups = len(np.unique(group_N[labels_N == label]))
                raise InputError(
                    f"{path}: no {name} image for {PARTS[part]}: the {name} ones are in {groups} independent groups "
                    "(by source, pair and look): add others, or change test_ratio, hold_out or the given splits"
                )
