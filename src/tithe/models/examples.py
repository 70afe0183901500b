"""The inputs of training and evaluation: batches, and the protocols of examples."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self, runtime_checkable

import numpy as np
import torch

from tithe.arrays import Array, Rows

Batch = dict[str, torch.Tensor]


class Labelled(Protocol):
    """Rows with class labels.

    Attributes
    ----------
    labels
        Class indices, shape (N,).
    ids
        Positions in the source file, shape (N,), to identify rows in messages.
    """

    @property
    def labels(self) -> Rows: ...  # noqa: D102
    @property
    def ids(self) -> Rows: ...  # noqa: D102
    def __len__(self) -> int: ...


class Examples(Labelled, Protocol):
    """Rows ready to be collated; their content depends on the task.

    Attributes
    ----------
    lengths
        Cost of each row, such as its tokens, shape (N,); None if all cost the same.
    """

    @property
    def lengths(self) -> Rows | None: ...  # noqa: D102
    def collate(self, rows: Rows) -> Batch:
        """Return the tensors of the given rows; the first dimension of each is the batch."""
        ...

    def take(self, rows: Rows) -> Self:
        """Return a view of the given rows of this view."""
        ...


@dataclass(frozen=True)
class Weighted:
    """Examples that count unequally in the loss: batches have `weights`, shape (B,).

    Attributes
    ----------
    examples
        The same rows without weights.
    weights
        How much each row counts, at least 0, float32, shape (N,).
    """

    examples: Examples
    weights: Array

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def labels(self) -> Rows:
        """Class indices, shape (N,)."""
        return self.examples.labels

    @property
    def ids(self) -> Rows:
        """Positions in the source file, shape (N,)."""
        return self.examples.ids

    @property
    def lengths(self) -> Rows | None:
        """Cost of each row, shape (N,); None if all cost the same."""
        return self.examples.lengths

    def collate(self, rows: Rows) -> Batch:
        """Return the tensors of the given rows, and their weights."""
        return {**self.examples.collate(rows), "weights": torch.from_numpy(self.weights[rows])}

    def take(self, rows: Rows) -> Weighted:
        """Return a view of the given rows of this view."""
        return Weighted(self.examples.take(rows), self.weights[rows])


def total_weight(examples: Examples, rows: Rows) -> float:
    """Return what makes a mean of the summed losses of rows: the sum of their weights, or their number without weights.

    Rows that all have the weight 0 have no loss, whatever it is divided by.
    """
    if not isinstance(examples, Weighted):
        return len(rows)
    return float(examples.weights[rows].sum(dtype=np.float64)) or 1.0


@runtime_checkable
class Varied(Examples, Protocol):
    """Examples that are augmented in every epoch, some of which belong together.

    Attributes
    ----------
    groups
        Group number of each row, shape (N,): rows of one group share a batch if they fit.
    """

    @property
    def groups(self) -> Rows: ...  # noqa: D102
    def at_epoch(self, epoch: int) -> Examples:
        """Return the same rows, augmented for an epoch; the same epoch gives the same tensors."""
        ...


@runtime_checkable
class Encodable(Examples, Protocol):
    """Examples with a fingerprint of the encoder's inputs.

    Attributes
    ----------
    fingerprint
        SHA-256 of the encoder's inputs, without labels: changed labels do not need another pass.
    """

    @property
    def fingerprint(self) -> str: ...  # noqa: D102
    def alone(self) -> Self:
        """Return the encoder's inputs of these rows and of no others, to send them to another process."""
        ...


@runtime_checkable
class Tokenised(Encodable, Protocol):
    """Texts as concatenated token ids.

    Attributes
    ----------
    tokens
        Token ids of all texts of the data set.
    offsets
        Text i of the data set has tokens offsets[i] to offsets[i + 1].
    rows
        Positions of this view's texts in the data set, shape (N,).
    """

    @property
    def tokens(self) -> Array: ...  # noqa: D102
    @property
    def offsets(self) -> Rows: ...  # noqa: D102
    @property
    def rows(self) -> Rows: ...  # noqa: D102


@runtime_checkable
class Truncated(Examples, Protocol):
    """Texts that are cut where they have too many tokens.

    Attributes
    ----------
    uncut
        Tokens of each text before it was cut, special tokens included, shape (N,).
    """

    @property
    def uncut(self) -> Rows: ...  # noqa: D102


@runtime_checkable
class GeneratorLabelled(Labelled, Protocol):
    """Real and generated rows: label 1 real, 0 fake.

    Attributes
    ----------
    generators
        Generator of each row, shape (N,).
    """

    @property
    def generators(self) -> Array: ...  # noqa: D102


@runtime_checkable
class Photographs(GeneratorLabelled, Examples, Protocol):
    """Real and generated images that can be read one by one.

    Attributes
    ----------
    paths
        Path of each file.
    """

    @property
    def paths(self) -> list[str]: ...  # noqa: D102
    def whole(self, row: int) -> Array:
        """Return a complete image of this view, uint8, shape (H, W, 3)."""
        ...

    def centre(self, row: int) -> Array:
        """Return the centre crop of an image of this view, uint8, shape (S, S, 3)."""
        ...

    def changed(self, change: str | None) -> Self:
        """Return the centre crops of the same images, degraded in a named way."""
        ...
