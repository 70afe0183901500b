"""What a trainer and an evaluation read: batches, and the protocols of examples."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch

from tithe.arrays import Array, Rows

Batch = dict[str, torch.Tensor]


class Examples(Protocol):
    """Rows ready to be collated; what they hold is the task's business.

    Attributes
    ----------
    lengths
        Cost of each row (tokens, say), shape (N,), or None where all cost the same.
    ids
        Positions in the source file, shape (N,), to name a row to a person.
    labels
        Class indices, shape (N,).
    """

    @property
    def lengths(self) -> Rows | None: ...  # noqa: D102
    @property
    def ids(self) -> Rows: ...  # noqa: D102
    @property
    def labels(self) -> Rows: ...  # noqa: D102
    def __len__(self) -> int: ...
    def collate(self, rows: Rows) -> Batch:
        """Return the tensors of some rows; the first dimension of each counts rows."""
        ...


@runtime_checkable
class Varied(Examples, Protocol):
    """Examples that look different in every epoch, some of which belong together.

    Attributes
    ----------
    groups
        Number of the group of each row, shape (N,): rows of one group stand in one batch where they fit.
    """

    @property
    def groups(self) -> Rows: ...  # noqa: D102
    def at_epoch(self, epoch: int) -> Examples:
        """Return the same rows as they look in an epoch; the same epoch gives the same tensors."""
        ...


class Labelled(Protocol):
    """Rows whose classes are known: their class indices and positions in the data file, each of shape (N,)."""

    @property
    def labels(self) -> Array: ...  # noqa: D102
    @property
    def ids(self) -> Array: ...  # noqa: D102


@runtime_checkable
class GeneratorLabelled(Labelled, Protocol):
    """Rows that were made by something: 0 fake, 1 real, and the generator of each, of shape (N,)."""

    @property
    def generators(self) -> Array: ...  # noqa: D102
