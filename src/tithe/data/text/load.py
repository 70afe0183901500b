"""Load labelled texts: read, clean, encode labels, split, balance."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from tithe import config, storage
from tithe.data.balance import resample
from tithe.data.labels import LabelMap
from tithe.data.splits import Split, Splits, stratified
from tithe.data.text import near_duplicates
from tithe.data.text.ingest import ingest, symbols_of
from tithe.errors import InputError

logger = logging.getLogger("tithe")

_MANY = 0.05  # share of the evaluated rows
# Classes that are fractional numbers, such as ratings of 0.5 to 5.0, are scores if they are many and their rows few.
_RATINGS, _ROWS_OF_EACH, _DOUBTFUL = 10, 10, 50


def load(settings: config.Data, seed: int) -> Splits:
    """Read, clean, split and balance; the same file, settings and seed give the same rows.

    Raises
    ------
    InputError
        The file cannot be read, has too few usable rows, or has scores for labels.
    """
    dataset, labels, folder = ingest(settings)
    if len(labels) < 2:
        raise InputError(f"{settings.path}: one class only ('{labels.names[0]}'): a classifier needs at least two")
    _check_classes(settings.path, labels, len(dataset))
    split = stratified(dataset.labels, settings.val_ratio, settings.test_ratio, seed)
    if len(split.val) == 0:
        raise InputError(f"{settings.path}: no class has enough rows to give one to each split: add rows")
    balanced = resample(dataset.labels[split.train], settings.upsample, settings.downsample, seed)
    train = split.train[balanced]
    report = storage.read_json(folder / "report.json")
    group_N = near_duplicates.groups_of(dataset)
    report["near_duplicates"] = near_duplicates.summary(group_N, dataset.labels, dataset.ids)
    report["splits"] = {
        "train": len(split.train),
        "val": len(split.val),
        "test": len(split.test),
        "train_after_balancing": len(train),
        "seed": seed,
        "sha256": split.hash,
        "too_small_to_split": [str(labels.names[c]) for c in split.too_small],
        "near_copies_in_train": {
            name: near_duplicates.seen_in_training(group_N, split.train, rows)
            for name, rows in (("val", split.val), ("test", split.test))
        },
    }
    _warn(report)
    return Splits(dataset, labels, train, split, report, folder / "dropped.jsonl", symbols_of(settings))


def load_unsplit(settings: config.Data) -> Splits:
    """Read and clean a file, and use all of its rows for training.

    Raises
    ------
    InputError
        The file cannot be read, has too few usable rows, or has scores for labels.
    """
    rows, labels, folder = ingest(settings)
    _check_classes(settings.path, labels, len(rows))
    all_rows, no_rows = np.arange(len(rows)), np.zeros(0, dtype=np.int64)
    report = storage.read_json(folder / "report.json")
    split = Split(all_rows, no_rows, no_rows, too_small=())
    _warn_of_alike(report)
    return Splits(rows, labels, all_rows, split, report, folder / "dropped.jsonl", symbols_of(settings))


def _check_classes(path: str, labels: LabelMap, rows: int) -> None:
    """Refuse scores: more than 10 fractional numbers, with fewer than 10 rows for each class on average.

    More than 50 are a warning, however many their rows.
    """
    numbers = labels.fractions
    shown = f"{len(numbers)} different fractional numbers ({', '.join(numbers[:3])}, …)"
    if len(numbers) > _RATINGS and rows < _ROWS_OF_EACH * len(labels):
        raise InputError(
            f"{path}: the labels of {rows} rows are {shown}: these look like scores, not classes: divide them into a "
            "few classes, such as low and high; names that only look like numbers need a letter"
        )
    if len(numbers) > _DOUBTFUL:
        logger.warning("the classes are %s: if they are scores, divide them into a few classes", shown)


def _warn_of_alike(report: dict[str, Any]) -> None:
    for classes in report["alike_classes"]:
        shown = ", ".join(f"'{name}' ({rows} rows)" for name, rows in classes.items())
        logger.warning("classes that look alike: %s: if they are the same, give them one spelling", shown)


def _warn(report: dict[str, Any]) -> None:
    """Warn of classes that look alike, and if many evaluated rows have a near-duplicate among the training rows."""
    _warn_of_alike(report)
    splits = report["splits"]
    part = "test" if splits["test"] else "val"
    count, rows = splits["near_copies_in_train"][part], splits[part]
    if count > _MANY * rows:
        name = {"val": "validation"}.get(part, part)
        logger.warning(
            "%d of %d %s rows are near-duplicates of training rows: their scores are optimistic", count, rows, name
        )
