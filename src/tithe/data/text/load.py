"""Load labelled texts: read, clean, encode labels, split, balance."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from tithe import config, storage
from tithe.arrays import Rows
from tithe.config import unused
from tithe.console import counted
from tithe.data.balance import resample
from tithe.data.labels import LabelMap
from tithe.data.splits import Split, Splits, stratified
from tithe.data.text import given_splits, input_files, near_duplicates
from tithe.data.text.ingest import ingest, symbols_of
from tithe.data.weights import describe
from tithe.errors import InputError

logger = logging.getLogger("tithe")

_MANY = 0.05  # share of the evaluated rows
_SPLIT = "split"  # the column that fetched data sets have
# Classes that are fractional numbers, such as ratings of 0.5 to 5.0, are scores if they are many and their rows few.
_RATINGS, _ROWS_OF_EACH, _DOUBTFUL = 10, 10, 50


def load(settings: config.Data, seed: int) -> Splits:
    """Read, clean, split and balance; the same file, settings and seed give the same rows.

    Splits that the data have are used as they are; see `given_splits`.

    Raises
    ------
    InputError
        The file cannot be read, has too few usable rows, or has scores for labels.
    """
    dataset, labels, folder = ingest(settings)
    if len(labels) < 2:
        raise InputError(f"{settings.path}: one class only ('{labels.names[0]}'): a classifier needs at least two")
    _check_classes(settings.path, labels, len(dataset))
    part_N = _given(folder)
    split = _split(dataset.labels, part_N, settings, seed)
    if len(present := np.unique(dataset.labels[split.train])) < 2:
        only = f"have one class only ('{labels.names[present[0]]}')"
        raise InputError(f"{settings.path}: the training rows {only}: a classifier needs at least two")
    if len(split.val) == 0:
        raise InputError(f"{settings.path}: no class has enough rows to give one to each split: add rows")
    balanced = resample(dataset.labels[split.train], settings.upsample, settings.downsample, seed)
    train = split.train[balanced]
    report = _report(folder, settings)
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
    if settings.weight_column and (own := dataset.take(split.train).weights) is not None:
        report["weights"] = describe(settings.weight_column, own)
    _add_given(report, labels, dataset.labels[split.train])
    _warn(report)
    _note_unused(settings, part_N)
    return Splits(dataset, labels, train, split, report, folder / "dropped.jsonl", symbols_of(settings))


def load_unsplit(settings: config.Data) -> Splits:
    """Read and clean a file, and use all of its rows for training: of a file with splits those of its own.

    Raises
    ------
    InputError
        The file cannot be read, has too few usable rows, or has scores for labels.
    """
    rows, labels, folder = ingest(settings)
    _check_classes(settings.path, labels, len(rows))
    part_N, no_rows = _given(folder), np.zeros(0, dtype=np.int64)
    train = np.arange(len(rows)) if part_N is None else np.flatnonzero(part_N == given_splits.TRAIN)
    report = _report(folder, settings)
    split = Split(train, no_rows, no_rows, too_small=())
    _warn_of_alike(report)
    _note_unused(settings, part_N)
    return Splits(rows, labels, train, split, report, folder / "dropped.jsonl", symbols_of(settings))


def _given(folder: Path) -> Rows | None:
    """Return the position in `PARTS` of each row's own split, shape (N,); None if the data have no splits."""
    file = folder / "parts.npy"
    if not file.exists():
        return None
    part_N: Rows = np.load(file)
    return part_N


def _split(labels_N: Rows, part_N: Rows | None, settings: config.Data, seed: int) -> Split:
    if part_N is None:
        return stratified(labels_N, settings.val_ratio, settings.test_ratio, seed)
    shares = [("val_ratio", given_splits.VAL, settings.validation), ("test_ratio", given_splits.TEST, settings.test)]
    idle = [key for key, part, path in shares if path is None and part in part_N]
    for key, value in unused.changed(settings, idle):
        logger.warning("data.%s %s has no effect: %s has its own splits", key, value, settings.path)
    return given_splits.split(part_N, labels_N, settings, seed)


def _report(folder: Path, settings: config.Data) -> dict[str, Any]:
    """Return the data report, with the name that the data have here: the cache knows them by their content."""
    path = Path(settings.path)
    return {**storage.read_json(folder / "report.json"), "file": path.name or path.resolve().name}


def _add_given(report: dict[str, Any], labels: LabelMap, train_labels: Rows) -> None:
    """Say in the report which splits are given, and which classes have no training rows."""
    if given := report.pop("given", None):
        untrained = np.setdiff1d(np.arange(len(labels)), train_labels)
        report["splits"] |= {"given": given, "not_in_training": [str(labels.names[c]) for c in untrained]}


def _note_unused(settings: config.Data, part_N: Rows | None) -> None:
    """Name a column `split` that nothing reads: it may be the official split."""
    if part_N is not None or _SPLIT in (settings.text_column, settings.label_column):
        return
    source = input_files.find_sources(settings)[0][0]
    if _SPLIT in source.columns():
        logger.info("%s has a column '%s': set data.split_column=%s to keep its splits", source.path, _SPLIT, _SPLIT)


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
        shown = ", ".join(f"'{name}' ({counted(rows, 'row')})" for name, rows in classes.items())
        logger.warning("classes that look alike: %s: if they are the same, give them one spelling", shown)


def _warn(report: dict[str, Any]) -> None:
    """Warn of classes that look alike, and if many evaluated rows have a near-duplicate among the training rows."""
    _warn_of_alike(report)
    splits = report["splits"]
    if missing := splits.get("not_in_training"):
        logger.warning("classes without training rows, which no model can learn: %s", ", ".join(missing))
    part = "test" if splits["test"] else "val"
    count, rows = splits["near_copies_in_train"][part], splits[part]
    if count > _MANY * rows:
        name = {"val": "validation"}.get(part, part)
        logger.warning(
            "%d of %d %s rows are near-duplicates of training rows: their scores are optimistic", count, rows, name
        )
