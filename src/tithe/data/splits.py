"""Stratified splits: every class with enough rows is in every part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from tithe import config, storage
from tithe.arrays import Array, Rows
from tithe.data.balance import resample
from tithe.data.clean import clean_text
from tithe.data.dataset import Dataset
from tithe.data.labels import LabelMap
from tithe.data.weights import combined

Part = Literal["train", "val", "test"]
PARTS: tuple[Part, ...] = get_args(Part)
_PARTS: dict[str, Part] = {
    **{"train": "train", "test": "test"},
    **dict.fromkeys(("val", "valid", "validation", "dev"), "val"),
}


def part_of(name: str) -> Part | None:
    """Return the split that a name means; None for other names."""
    return _PARTS.get(clean_text(name).lower())


@dataclass(frozen=True)
class Split:
    """Sorted, disjoint row positions, and the classes too small to be split."""

    train: Rows
    val: Rows
    test: Rows
    too_small: tuple[int, ...]

    @property
    def hash(self) -> str:
        """SHA-256 of the three lists: equal for runs with the same split."""
        return storage.digest_bytes(*(part.tobytes() for part in (self.train, self.val, self.test)))


def largest_remainder(weights_C: np.ndarray[Any, Any], total: int, caps_C: Rows) -> Rows:
    """Divide exactly `total` among classes in proportion to their weights, within their caps.

    Hamilton's method: integer parts first, then one each to the largest remainders; ties go to the lowest class.

    Returns
    -------
    Counts, shape (C,), summing to min(total, sum of caps).
    """
    exact_C = total * weights_C / max(weights_C.sum(), 1e-12)
    counts_C = np.minimum(np.floor(exact_C + 1e-9).astype(np.int64), caps_C)
    order_C = np.argsort(-(exact_C - counts_C), kind="stable")
    short = min(total, int(caps_C.sum())) - int(counts_C.sum())
    while short > 0:
        open_C = [c for c in order_C if counts_C[c] < caps_C[c]][:short]
        counts_C[open_C] += 1
        short -= len(open_C)
    return np.asarray(counts_C, dtype=np.int64)


def stratified(labels_N: Rows, val_ratio: float, test_ratio: float, seed: int) -> Split:
    """Split rows so that each part keeps the class shares; part sizes are exact to a row.

    A class needs one row for each part; smaller ones go to train entirely and are listed in `too_small`. Texts must be
    distinct (`duplicates.find_duplicates`), so that no text is in two parts.

    Parameters
    ----------
    labels_N
        Class indices, shape (N,).
    val_ratio, test_ratio
        Shares of all rows; the rest is for training.
    seed
        Decides which rows go where.
    """
    parts = 1 + (val_ratio > 0) + (test_ratio > 0)
    sizes_C = np.bincount(labels_N)
    big_C = sizes_C >= parts
    val_C = _quota(sizes_C, big_C, val_ratio, reserved_C=1 + (test_ratio > 0))
    test_C = _quota(sizes_C, big_C, test_ratio, reserved_C=1 + val_C)
    rng = np.random.default_rng([seed, 0x5911])
    pieces: dict[str, list[Rows]] = {"train": [], "val": [], "test": []}
    for c in range(len(sizes_C)):
        rows = rng.permutation(np.flatnonzero(labels_N == c))
        val, test, train = np.split(rows, [val_C[c], val_C[c] + test_C[c]])
        for name, part in (("train", train), ("val", val), ("test", test)):
            pieces[name].append(part)
    parts_of = {name: np.sort(np.concatenate(part)) for name, part in pieces.items()}
    too_small = tuple(int(c) for c in np.flatnonzero(~big_C & (sizes_C > 0)))
    return Split(**parts_of, too_small=too_small)


def _quota(sizes_C: Rows, big_C: np.ndarray[Any, Any], ratio: float, reserved_C: Rows | int) -> Rows:
    """Return the rows of each class for one part: at least one, leaving `reserved_C` for the other parts."""
    if ratio == 0:
        return np.zeros(len(sizes_C), dtype=np.int64)
    available_C = np.where(big_C, np.maximum(sizes_C - reserved_C, 0), 0)
    floor_C = np.minimum(available_C, 1)
    total = max(int(np.floor(ratio * sizes_C.sum() + 0.5)) - int(floor_C.sum()), 0)
    want_C = np.maximum(ratio * sizes_C * big_C - floor_C, 0)
    return floor_C + largest_remainder(want_C, total, available_C - floor_C)


@dataclass(frozen=True)
class Splits:
    """The three parts of one dataset, and the report on how they were made.

    Attributes
    ----------
    rows
        All kept rows; the parts are positions into it, so that computed results are shared by all parts.
    train, val, test
        Positions, shape (N,); train is balanced when the config says so and may repeat rows.
    split
        The split itself, before balancing.
    report
        Contents of `data_report.json`.
    dropped
        File that lists every dropped row.
    symbols
        The symbol for each class in the data file; empty where the file has the class names.
    factors
        By how much a selection weighs each row of `train`, shape (N,); None without one.
    """

    rows: Dataset
    labels: LabelMap
    train: Rows
    split: Split
    report: dict[str, Any]
    dropped: Path
    symbols: dict[str, str]
    factors: Array | None = None

    def with_train_rows(self, rows: Rows, settings: config.Data, seed: int, factors: Array | None = None) -> Splits:
        """Return the same splits with only some training rows, given as positions into the unbalanced ones.

        `factors` weigh them, shape (K,); a row that balancing repeats has its weight each time.
        """
        train = self.split.train[rows]
        balanced = resample(self.rows.labels[train], settings.upsample, settings.downsample, seed)
        counts = {"train_selected": len(rows), "train_after_balancing": len(balanced)}
        report = {**self.report, "splits": {**self.report["splits"], **counts}}
        factors = None if factors is None else factors[balanced]
        return replace(self, train=train[balanced], report=report, factors=factors)

    @property
    def weights(self) -> Array | None:
        """How much each training row counts in the loss, shape (N,), by the data and by a selection; see `combined`.

        Raises
        ------
        InputError
            All weights are 0.
        """
        return combined(self.rows.take(self.train).weights, self.factors)

    def weights_of(self, rows_K: Rows, factors_K: Array) -> Array:
        """Return how much rows of the pool count, by the data and by a selection, shape (K,).

        The rows are positions into the training rows before balancing, which count 1 on average by the data.

        Raises
        ------
        InputError
            All weights are 0.
        """
        own_N = combined(self.rows.take(self.split.train).weights)
        weight_K = factors_K if own_N is None else factors_K * own_N[rows_K]
        combined(weight_K)
        return weight_K

    @property
    def weights_sha256(self) -> str | None:
        """SHA-256 of the training rows with their weights; None where all count the same."""
        weights_N = self.weights
        return None if weights_N is None else storage.digest_bytes(self.train.tobytes(), weights_N.tobytes())

    @property
    def pool_labels(self) -> Rows:
        """Class indices of the training rows before balancing, from which a strategy selects; shape (N,)."""
        return self.rows.labels[self.split.train]

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the training and validation rows and their source."""
        return storage.digest_bytes(self.rows.source.encode(), self.train.tobytes(), self.val.tobytes())

    @property
    def val(self) -> Rows:
        """Positions of the validation rows."""
        return self.split.val

    @property
    def test(self) -> Rows:
        """Positions of the test rows; empty when the config holds none out."""
        return self.split.test
