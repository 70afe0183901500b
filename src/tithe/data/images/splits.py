"""Assign images to splits so that no source, pair or duplicate is in two of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.data import grouping
from tithe.data.clean import clean_text
from tithe.data.dataset import Dataset
from tithe.data.images.listing import CLASSES, FAKE, REAL
from tithe.data.splits import PARTS
from tithe.errors import InputError, did_you_mean

TRAIN, VAL, TEST = range(len(PARTS))
UNASSIGNED = -1


def assign_splits(images: Dataset, settings: config.Data, seed: int) -> Rows:
    """Return the position in `PARTS` of each image's split, or `UNASSIGNED`, shape (N,).

    Splits given by the data set are kept. A missing `val` or `test` is taken from its `train`, as a share of it;
    without given splits, from all images. Groups are never divided, and each split gets its share of both classes and
    of every generator, as exactly as groups allow.

    Fakes of a held-out generator are used for testing only. Groups with no other fakes go to the test split entirely,
    with their real images. Groups that also have other fakes are split as if the held-out ones did not exist; these
    are kept if their group is in the test split, and dropped elsewhere, so that their photographs can still be used
    for training. A given test split never changes.

    The generators of `validate_on` are used for validation likewise, which then has no fakes by others: what is chosen
    there, such as the best epoch, is chosen on fakes like none of the training.

    Raises
    ------
    InputError
        A source is in two of the given splits, only some images have a split, a split would lack a class, or a
        held-out generator has no fakes.
    """
    given_N, fake_N = _given(images, settings.path), images.labels == FAKE
    test_N, val_N = (_by(images, settings, key) for key in ("hold_out", "validate_on"))
    held_N = test_N | val_N
    group_N = np.array(images.column("group"))
    shares_P = _shares(given_N, settings)
    part_N = np.where((given_N == TRAIN) & (shares_P[TRAIN] < 1), UNASSIGNED, given_N)
    with_others_N = _in_groups_of(fake_N & ~held_N, group_N)
    uses = ((val_N, VAL), (test_N, TEST))
    for only_N, part in uses:
        if part not in given_N:
            part_N[_in_groups_of(only_N, group_N) & ~with_others_N] = part
    for only_N, part in uses:
        part_N[only_N & (part_N != part)] = UNASSIGNED
    free_N = (part_N == UNASSIGNED) & ~held_N
    if free_N.any():
        part_N[free_N] = _assign(images, group_N, free_N, part_N, shares_P, seed)
    for only_N, part in uses:
        if part not in given_N:
            part_N[only_N & _in_groups_of(part_N == part, group_N)] = part
    if val_N.any():
        part_N[fake_N & ~val_N & (part_N == VAL)] = UNASSIGNED
    _check(images.labels, group_N, part_N, shares_P, settings.path)
    return part_N


def _given(images: Dataset, path: str) -> Rows:
    """Return the given splits, or `UNASSIGNED` for all images where there are none."""
    splits = images.column("split")
    if None not in splits:
        for name in ("source", "pair"):
            _refuse_crossing(name, images.column(name), splits, path)
    elif len(splits) > (without := splits.count(None)):
        lack = f"{without} of {len(splits)} images {'has' if without == 1 else 'have'} no split"
        raise InputError(f"{path}: {lack}: set it for all or for none")
    return np.array([UNASSIGNED if split is None else PARTS.index(split) for split in splits], dtype=np.int64)


def _refuse_crossing(name: str, values: list[str | None], splits: list[str], path: str) -> None:
    seen: dict[str, str] = {}
    for value, split in zip(values, splits, strict=True):
        if value is not None and seen.setdefault(value, split) != split:
            raise InputError(
                f"{path}: {name}_id '{value}' is in {seen[value]} and in {split}: put all of it into one split, "
                "or remove the given splits to split by source"
            )


def _by(images: Dataset, settings: config.Data, key: str) -> Array:
    """Return a mask of the fakes by the generators of a setting, shape (N,)."""
    generator_N = np.array(images.column("generator"))
    fake_N = images.labels == FAKE
    held_out = [clean_text(name) for name in getattr(settings, key)]
    for name in held_out:
        if name not in (generators := set(generator_N[fake_N].tolist())):
            raise InputError(f"{settings.path}: no fakes by '{name}' (data.{key}){did_you_mean(name, generators)}")
    held_N: Array = fake_N & np.isin(generator_N, held_out)
    return held_N


def _shares(given_N: Rows, settings: config.Data) -> tuple[float, float, float]:
    """Return the shares of the unassigned images for train, val and test."""
    val = 0.0 if VAL in given_N else settings.val_ratio
    test = 0.0 if TEST in given_N else settings.test_ratio
    return 1 - val - test, val, test


def _in_groups_of(mask_N: Array, group_N: Rows) -> Array:
    """Return a mask of the images in a group with any masked image."""
    return np.isin(group_N, group_N[mask_N])


def _assign(images: Dataset, group_N: Rows, free_N: Array, part_N: Rows, shares_P: Sequence[float], seed: int) -> Rows:
    labels_N = images.labels
    _, generator_N = np.unique(images.column("generator"), return_inverse=True)
    _, group_F = np.unique(group_N[free_N], return_inverse=True)
    has_PK = np.array([[(labels_N[part_N == part] == k).any() for k in (FAKE, REAL)] for part in (TRAIN, VAL, TEST)])
    strata_N = generator_N * len(CLASSES) + labels_N
    return grouping.divide(group_F, labels_N[free_N], strata_N[free_N], shares_P, has_PK, seed)


def _check(labels_N: Rows, group_N: Rows, part_N: Rows, shares_P: Sequence[float], path: str) -> None:
    """Refuse a split whose train, val or (unless given) test part lacks a class."""
    for part in (TRAIN, VAL, *([TEST] if shares_P[TEST] else [])):
        for label, name in enumerate(CLASSES):
            if not (labels_N[part_N == part] == label).any():
                groups = len(np.unique(group_N[labels_N == label]))
                raise InputError(
                    f"{path}: no {name} image for {PARTS[part]}: the {name} ones are in {groups} independent groups "
                    "(by source, pair and similarity): add others, or change test_ratio, hold_out or the given splits"
                )
