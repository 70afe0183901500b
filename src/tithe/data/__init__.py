"""Labelled rows: read, cleaned, mapped, split, balanced."""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, records
from tithe.data import near
from tithe.data.balance import class_weights, resample
from tithe.data.dataset import Dataset
from tithe.data.ingest import find_reader, ingest, symbols_of
from tithe.data.labels import Label, LabelMap
from tithe.data.split import Split, stratified
from tithe.errors import InputError

__all__ = [
    "Dataset",
    "Label",
    "LabelMap",
    "Split",
    "Splits",
    "class_weights",
    "find_reader",
    "ingest",
    "load",
    "stratified",
    "symbols_of",
]


logger = logging.getLogger("tithe")

_MANY = 0.05  # of the rows that a model is judged on


@dataclass(frozen=True)
class Splits:
    """The three parts of one dataset, and the account of how they came to be.

    Attributes
    ----------
    everything
        All kept rows; the parts are positions into it, so that what is computed once serves all.
    train, val, test
        Positions, shape (N,); train is balanced when the config says so and may repeat rows.
    split
        The split itself, before balancing.
    report
        What `data_report.json` says.
    dropped
        File that lists every row left out.
    symbols
        The symbol that stands for each class in the data file; empty where classes stand for themselves.
    """

    everything: Dataset
    labels: LabelMap
    train: np.ndarray[Any, np.dtype[np.int64]]
    split: Split
    report: dict[str, Any]
    dropped: Path
    symbols: dict[str, str]

    def narrowed(self, rows: np.ndarray[Any, Any], settings: config.Data, seed: int) -> Splits:
        """Return the same splits with only some rows to train on, given as positions into the unbalanced ones."""
        train = self.split.train[rows]
        balanced = resample(self.everything.labels[train], settings.upsample, settings.downsample, seed)
        counts = {"train_selected": len(rows), "train_after_balancing": len(balanced)}
        report = {**self.report, "splits": {**self.report["splits"], **counts}}
        return replace(self, train=train[balanced], report=report)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the rows that are trained and validated on, and of where they come from."""
        return records.digest_bytes(self.everything.source.encode(), self.train.tobytes(), self.val.tobytes())

    @property
    def val(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the validation rows."""
        return self.split.val

    @property
    def test(self) -> np.ndarray[Any, np.dtype[np.int64]]:
        """Positions of the test rows; empty when the config holds none out."""
        return self.split.test


def load(settings: config.Data, seed: int) -> Splits:
    """Read, clean, split and balance; the same file, settings and seed give the same rows.

    Raises
    ------
    InputError
        The file can't be read or has too little in it.
    """
    everything, labels, folder = ingest(settings)
    if len(labels) < 2:
        raise InputError(f"{settings.path}: one class only ('{labels.names[0]}'): a classifier needs at least two")
    split = stratified(everything.labels, settings.val_ratio, settings.test_ratio, seed)
    if len(split.val) == 0:
        raise InputError(f"{settings.path}: no class has enough rows to give one to each split: add rows")
    balanced = resample(everything.labels[split.train], settings.upsample, settings.downsample, seed)
    train = split.train[balanced]
    report = records.read_json(folder / "report.json")
    group_N = near.groups_of(everything)
    report["near_duplicates"] = near.account(group_N, everything.labels, everything.ids)
    report["splits"] = {
        "train": len(split.train),
        "val": len(split.val),
        "test": len(split.test),
        "train_after_balancing": len(train),
        "seed": seed,
        "sha256": split.hash,
        "too_small_to_split": [str(labels.names[c]) for c in split.too_small],
        "near_copies_in_train": {
            name: near.seen_in_training(group_N, split.train, rows)
            for name, rows in (("val", split.val), ("test", split.test))
        },
    }
    _warn(report["splits"])
    return Splits(everything, labels, train, split, report, folder / "dropped.jsonl", symbols_of(settings))


def _warn(splits: dict[str, Any]) -> None:
    """Log where a model will be judged on what it has nearly seen."""
    part = "test" if splits["test"] else "val"
    count, rows = splits["near_copies_in_train"][part], splits[part]
    if count > _MANY * rows:
        name = {"val": "validation"}.get(part, part)
        logger.warning("%d of %d %s rows are near copies of training rows: scores on them flatter", count, rows, name)
