"""Cleaned rows on disk, memory-mapped: a dataset larger than memory only needs an index in memory."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from tithe import storage
from tithe.arrays import Array, Rows

_SPARSE = 16  # rows in each one asked for, up to which all of them are read in one piece


@dataclass(frozen=True)
class Dataset:
    """A view of some rows of a memory-mapped Arrow file.

    Attributes
    ----------
    table
        Columns `id` (position in the source, from 0) and `input`, and any further columns.
    rows
        Positions in the table, shape (N,); a row may occur more than once.
    labels
        Class indices of these rows, shape (N,).
    source
        Hash of the file and of how it was read; the same for all views.
    weights
        How much each row counts in training, at least 0, shape (N,); None where the file has no column of them.
    """

    table: pa.Table
    rows: Rows
    labels: Rows
    source: str
    weights: Array | None = None

    @classmethod
    def open(cls, path: Path, rows: Rows, labels: Rows, source: str, weights: Array | None = None) -> Dataset:
        """Map an Arrow IPC file and return a view of some of its rows."""
        return cls(pa.ipc.open_file(pa.memory_map(str(path))).read_all(), rows, labels, source, weights)

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def ids(self) -> Rows:
        """Positions of the rows in the source file, shape (N,)."""
        column: Rows = self.table.column("id").to_numpy()
        return column[self.rows]

    def inputs(self, start: int = 0, stop: int | None = None) -> list[str]:
        """Return the inputs of rows start to stop of this view; no others are read."""
        return self.column("input", start, stop)

    def column(self, name: str, start: int = 0, stop: int | None = None) -> list[Any]:
        """Return a column's values for rows start to stop of this view; None where a value is missing."""
        values: list[Any] = self._taken(name, self.rows[start:stop]).to_pylist()
        return values

    def texts(self, start: int = 0, stop: int | None = None) -> pa.LargeStringArray:
        """Return the inputs of rows start to stop of this view as one array, without a Python object for each."""
        taken = self._taken("input", self.rows[start:stop])
        return taken.combine_chunks() if isinstance(taken, pa.ChunkedArray) else taken

    def _taken(self, name: str, rows: Rows) -> pa.Array | pa.ChunkedArray:
        """Return the values of a column for some rows; of rows that lie together only their part of it is touched."""
        column = self.table.column(name)
        if not len(rows):
            return column.slice(0, 0)
        first, span = int(rows.min()), int(np.ptp(rows)) + 1
        if span > _SPARSE * len(rows):
            return _gathered(column, rows)
        near = column.slice(first, span).combine_chunks()
        is_whole = span == len(rows) and bool((np.diff(rows) == 1).all())
        return near if is_whole else near.take(pa.array(rows - first))

    def take(self, rows: Rows) -> Dataset:
        """Return a view of some rows of this view, in the given order."""
        weights = None if self.weights is None else self.weights[rows]
        return Dataset(self.table, self.rows[rows], self.labels[rows], self.source, weights)

    def alone(self) -> Dataset:
        """Return the same rows as a data set of their own, in memory, without the rest of the file."""
        return replace(self, table=self.table.take(pa.array(self.rows)), rows=np.arange(len(self)))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of source, rows and labels: equal only for the same examples in the same order."""
        return storage.digest_bytes(self.source.encode(), self.rows.tobytes(), self.labels.tobytes())


def _gathered(column: pa.ChunkedArray, rows: Rows) -> pa.Array:
    """Return the values of some rows, in any order, chunk by chunk: Arrow's own `take` would copy the whole column."""
    ends = np.cumsum([len(chunk) for chunk in column.chunks])
    chunk_R = np.searchsorted(ends, rows, side="right")
    order_R = np.argsort(chunk_R, kind="stable")
    pieces = []
    numbers, first = np.unique(chunk_R[order_R], return_index=True)
    for number, own in zip(numbers.tolist(), np.split(rows[order_R], first[1:]), strict=True):
        chunk = column.chunk(number)
        pieces.append(chunk.take(pa.array(own - (ends[number] - len(chunk)))))
    place_R = np.empty_like(order_R)
    place_R[order_R] = np.arange(len(rows))
    return pa.concat_arrays(pieces).take(pa.array(place_R))
