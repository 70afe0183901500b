"""The pool that a strategy chooses from: training rows, their labels, and the signals it declared to need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tithe.arrays import Array, Rows, rows_of
from tithe.errors import InputError


@dataclass(frozen=True)
class Pool:
    """Training rows 0..N−1, read-only; validation and test rows are never in it.

    Attributes
    ----------
    known_labels
        Class indices, shape (N,); None where labels have to be bought: see `labels`.
    ids
        Positions in the data file, shape (N,), for messages.
    signals
        Arrays whose first dimension counts rows, by name; each is also an attribute of the pool.
    chosen
        Embeddings of rows that earlier rounds chose, shape (M, D): new picks should differ from them. None where there
        are none, or the strategy does not need embeddings.
    """

    known_labels: Rows | None
    ids: Rows
    signals: Mapping[str, Array]
    chosen: Array | None = None

    @classmethod
    def of(cls, labels: Rows | None, ids: Rows, signals: Mapping[str, Array], chosen: Array | None = None) -> Pool:
        """Return a pool that can't be written through; the arrays themselves are not changed."""
        own = {name: _read_only(array) for name, array in signals.items()}
        return cls(None if labels is None else _read_only(labels), _read_only(ids), own, chosen)

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def labels(self) -> Rows:
        """Class indices, shape (N,).

        Raises
        ------
        InputError
            The labels have to be bought (track T0): no strategy reads those of rows that it only may buy.
        """
        if self.known_labels is None:
            raise InputError(
                "the strategy reads labels, which track T0 has not bought: choose one that reads embeddings or probs, "
                "or set select.track to T1"
            )
        return self.known_labels

    @property
    def groups(self) -> Rows:
        """The classes among which a budget is divided, shape (N,): as predicted where labels have to be bought."""
        if self.known_labels is not None:
            return self.known_labels
        probs_NC = self.signals.get("probs")
        return np.zeros(len(self), dtype=np.int64) if probs_NC is None else np.asarray(probs_NC).argmax(axis=1)

    def __getattr__(self, name: str) -> Array:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return self.signals[name]
        except KeyError:
            raise AttributeError(f"this pool has no signal '{name}': a strategy names what it reads in NEEDS") from None

    def take(self, rows: Rows, taken: Rows | None = None) -> Pool:
        """Return a pool of some rows; the embeddings of those `taken` become its `chosen`."""
        has_chosen = taken is not None and len(taken) > 0 and "embeddings" in self.signals
        chosen = self.signals["embeddings"][taken] if has_chosen else None
        own = {name: rows_of(array, rows) for name, array in self.signals.items()}
        labels = None if self.known_labels is None else self.known_labels[rows]
        return Pool.of(labels, self.ids[rows], own, chosen)

    def with_signals(self, signals: Mapping[str, Array]) -> Pool:
        """Return the pool with some signals replaced."""
        return Pool.of(self.known_labels, self.ids, {**self.signals, **signals}, self.chosen)

    def only(self, needs: tuple[str, ...]) -> Pool:
        """Return the pool with the signals that a strategy declared, each checked.

        Raises
        ------
        InputError
            A signal is missing, or is not a number for some row; the message names the row.
        """
        for name in needs:
            if name not in self.signals:
                raise InputError(f"signal '{name}' was not computed: choose one of {', '.join(sorted(self.signals))}")
            array = self.signals[name]
            if name not in MAY_BE_NAN and array.dtype.kind == "f" and (bad_N := _not_numbers(array)).any():
                row = int(np.flatnonzero(bad_N)[0])
                raise InputError(f"signal '{name}' is not a number for row {self.ids[row]} of the data file")
        return Pool(self.known_labels, self.ids, {name: self.signals[name] for name in needs})


# Signals that are undefined for some texts: readability of an unknown language, say.
MAY_BE_NAN = frozenset({"readability", "hdd", "mtld", "ttr"})


def _not_numbers(array: Array) -> Array:
    """Say which rows have a value that is not a number, shape (N,); in parts, since embeddings may fill the memory."""
    rows = array.reshape(len(array), -1)
    parts = np.array_split(rows, max(1, rows.size // 4_000_000))
    return np.concatenate([np.isnan(part).any(axis=1) for part in parts])


def _read_only(array: Array) -> Array:
    view = array.view()
    view.flags.writeable = False
    return view
