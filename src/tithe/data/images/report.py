"""Data report of images: counts, duplicates, and whether file formats reveal the class."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from tithe.arrays import Array, Rows
from tithe.console import counted
from tithe.data.dataset import Dataset
from tithe.data.images import format_leak
from tithe.data.images.listing import CLASSES
from tithe.data.images.rows import Sifted
from tithe.data.splits import PARTS

logger = logging.getLogger("tithe")

_PROBED = 20_000  # images for the probe; more would not change its result
_GROUPS, _PATHS = 5, 4  # groups of near-duplicates shown, and paths of each


def describe_files(sifted: Sifted) -> dict[str, object]:
    """Return the report on a gallery: every entry is either kept or dropped for a reason."""
    table, dropped = sifted.table, sifted.dropped
    label_N = table.column("label").to_numpy()
    paths = table.column("input").to_pylist()
    formats = table.column("format").to_pylist()
    return {
        "rows_read": len(table) + len(dropped),
        "rows_kept": len(table),
        "dropped": count_values(line["reason"] for line in dropped),
        "classes": {name: int((label_N == label).sum()) for label, name in enumerate(CLASSES)},
        "sizes": {side: _spread(table.column(side).to_numpy()) for side in ("width", "height")},
        "formats": {
            name: count_values(f for f, k in zip(formats, label_N, strict=True) if k == label)
            for label, name in enumerate(CLASSES)
        },
        "near_duplicates": {
            "groups": len(sifted.near),
            "images": sum(map(len, sifted.near)),
            "of_both_classes": sum(len(set(label_N[rows].tolist())) > 1 for rows in sifted.near),
            "examples": [[paths[row] for row in rows[:_PATHS]] for rows in sifted.near[:_GROUPS]],
        },
    }


def describe_splits(images: Dataset, part_N: Rows, formats_NF: Array, seed: int) -> dict[str, object]:
    """Return the report on the splits.

    Parameters
    ----------
    part_N
        From `splits.assign_splits`, shape (N,).
    formats_NF
        From `format_leak.format_features`, shape (N, F).
    """
    group_N = np.array(images.column("group"))
    rows_G = np.bincount(group_N)
    group_of_pair = np.unique(np.stack([group_N, part_N])[:, part_N >= 0], axis=1)[0]
    return {
        **{name: int((part_N == part).sum()) for part, name in enumerate(PARTS)},
        "too_small_to_split": [],
        "left_out": int((part_N < 0).sum()),
        "groups": int((rows_G > 0).sum()),
        "largest_group": int(rows_G.max()),
        "groups_in_two_splits": int((np.bincount(group_of_pair) > 1).sum()),
        "generators": _by_generator(images, part_N),
        "format_leak": _leak(images.labels, group_N, formats_NF, np.flatnonzero(part_N == 0), seed),
    }


def _by_generator(images: Dataset, part_N: Rows) -> dict[str, dict[str, dict[str, int]]]:
    """Count images by generator, class and split, in a fixed order."""
    names = (*PARTS, "left_out")  # index −1 is left_out
    images_of = Counter(zip(images.column("generator"), images.labels.tolist(), part_N.tolist(), strict=True))
    table: dict[str, dict[str, dict[str, int]]] = {}
    for generator, label, part in sorted(images_of, key=lambda key: (*key[:2], key[2] % len(names))):
        counts = table.setdefault(generator, {}).setdefault(CLASSES[label], {})
        counts[names[part]] = images_of[generator, label, part]
    return table


def _leak(labels_N: Rows, group_N: Rows, formats_NF: Array, train: Rows, seed: int) -> dict[str, object]:
    """Return the AUC of the `format_leak` probe on training images, and the AUC that chance alone may reach.

    The latter is 0.5 plus three standard errors of the AUC under the null hypothesis (Mann & Whitney 1947); None where
    the images that are probed, a part of many, have one class only.
    """
    rows = np.random.default_rng([seed, 0x1EA4]).permutation(train)[:_PROBED]
    auc = format_leak.probe(formats_NF[rows], labels_N[rows], group_N[rows], seed)
    fake, real = (float(count) for count in np.bincount(labels_N[rows], minlength=2))
    chance = 0.5 + 3 * ((fake + real + 1) / (12 * fake * real)) ** 0.5 if fake and real else None
    auc, chance = (None if value is None else round(value, 4) for value in (auc, chance))
    return {"auc": auc, "chance": chance, "images": len(rows)}


def warn(report: dict[str, Any]) -> None:
    """Log reasons not to train on these images as they are."""
    splits = report["splits"]
    probe = splits["format_leak"]
    if format_leak.separates(probe):
        logger.warning(
            "the format alone separates the classes (AUC %s): a model may learn the format instead of the content; "
            "save real and fake images in the same format, with the same distribution of quality and size",
            f"{probe['auc']:.3f}".lstrip("0"),
        )
    if splits["groups_in_two_splits"]:
        logger.warning(
            "%s of near-duplicates %s in two of the given splits: give no splits to keep them together",
            *(counted(splits["groups_in_two_splits"], "group"), "is" if splits["groups_in_two_splits"] == 1 else "are"),
        )
    if splits["left_out"]:
        fakes = f"{counted(splits['left_out'], 'held-out fake')} {'is' if splits['left_out'] == 1 else 'are'} left out"
        logger.info("%s: their photographs are used for training", fakes)
    for remark in report["remarks"]:
        logger.info("%s", remark)


def count_values(values: Iterable[str]) -> dict[str, int]:
    """Return how often each value occurs, most frequent first."""
    return dict(Counter(values).most_common())


def _spread(values_N: Array) -> dict[str, int]:
    return {"min": int(values_N.min()), "median": int(np.median(values_N)), "max": int(values_N.max())}
