"""Load labelled texts: read, clean, encode labels, split, balance."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from tithe import config, storage
from tithe.data.balance import resample
from tithe.data.splits import Split, Splits, stratified
from tithe.data.text import near_duplicates
from tithe.data.text.ingest import ingest, symbols_of
from tithe.errors import InputError

logger = logging.getLogger("tithe")

_MANY = 0.05  # share of the evaluated rows


def load(settings: config.Data, seed: int) -> Splits:
    """Read, clean, split and balance; the same file, settings and seed give the same rows.

    Raises
    ------
    InputError
        The file cannot be read or has too few usable rows.
    """
    dataset, labels, folder = ingest(settings)
    if len(labels) < 2:
        raise InputError(f"{settings.path}: one class only ('{labels.names[0]}'): a classifier needs at least two")
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
    _warn(report["splits"])
    return Splits(dataset, labels, train, split, report, folder / "dropped.jsonl", symbols_of(settings))


def load_unsplit(settings: config.Data) -> Splits:
    """Read and clean a file, and use all of its rows for training.

    Raises
    ------
    InputError
        The file cannot be read or has too few usable rows.
    """
    rows, labels, folder = ingest(settings)
    all_rows, no_rows = np.arange(len(rows)), np.zeros(0, dtype=np.int64)
    report = storage.read_json(folder / "report.json")
    split = Split(all_rows, no_rows, no_rows, too_small=())
    return Splits(rows, labels, all_rows, split, report, folder / "dropped.jsonl", symbols_of(settings))


def _warn(splits: dict[str, Any]) -> None:
    """Warn if many evaluated rows have a near-duplicate among the training rows."""
    part = "test" if splits["test"] else "val"
    count, rows = splits["near_copies_in_train"][part], splits[part]
    if count > _MANY * rows:
        name = {"val": "validation"}.get(part, part)
        logger.warning(
            "%d of %d %s rows are near-duplicates of training rows: their scores are optimistic", count, rows, name
        )
