"""The order of rows as a pure function of (seed, epoch), so that a resumed run skips and never replays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch.utils.data import DataLoader

Rows = np.ndarray[Any, np.dtype[np.int64]]
Batch = dict[str, torch.Tensor]

# Steps whose rows are sorted by length together: many enough to fill batches with like lengths, few enough
# that batches differ from epoch to epoch.
_STEPS_PER_POOL = 256


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


@dataclass(frozen=True)
class Plan:
    """Which rows make up which optimizer step, for every epoch.

    Parameters
    ----------
    lengths
        Row lengths for grouping, shape (N,); None draws rows without regard to length.
    rows
        Number of rows N.
    batch_size
        Rows of a micro-batch.
    accumulation_steps
        Micro-batches of an optimizer step. A step's rows do not depend on how it is cut into micro-batches.
    seed
        With the epoch, decides the order.
    """

    lengths: Rows | None
    rows: int
    batch_size: int
    accumulation_steps: int
    seed: int

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch; the last may be smaller, no row is left out."""
        return -(-self.rows // (self.batch_size * self.accumulation_steps))

    def epoch(self, epoch: int, skip: int = 0) -> list[Rows]:
        """Return the rows of each optimizer step without the first `skip` steps."""
        rng = np.random.default_rng([self.seed, 0xE90C, epoch])
        step_rows = self.batch_size * self.accumulation_steps
        order = rng.permutation(self.rows)
        if self.lengths is not None:
            order = _grouped(order, self.lengths, step_rows, rng)
        return [order[start : start + step_rows] for start in range(skip * step_rows, self.rows, step_rows)]

    def micro(self, step: Rows, rank: int = 0, world: int = 1) -> list[Rows]:
        """Cut one step's rows into this process's micro-batches; none where there are fewer rows than processes."""
        share = step[rank::world]
        if self.lengths is not None:
            share = share[np.argsort(self.lengths[share], kind="stable")]
        return [share[i : i + self.batch_size] for i in range(0, len(share), self.batch_size)]


def _grouped(order: Rows, lengths: Rows, step_rows: int, rng: np.random.Generator) -> Rows:
    """Sort pools of the shuffled order by length, cut them into steps, and shuffle the whole steps."""
    pool = step_rows * _STEPS_PER_POOL
    pools = [order[i : i + pool] for i in range(0, len(order), pool)]
    by_length = np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in pools])
    whole = len(order) // step_rows
    steps = by_length[: whole * step_rows].reshape(whole, step_rows)
    return np.concatenate([steps[rng.permutation(whole)].ravel(), by_length[whole * step_rows :]])


@dataclass(frozen=True)
class _Steps:
    """A map-style view of planned steps for the loader's workers; an item is one collated step."""

    examples: Examples
    plan: Plan
    steps: list[Rows]
    rank: int
    world: int

    def __len__(self) -> int:
        return len(self.steps)

    def __getitem__(self, index: int) -> tuple[Rows, list[Batch]]:
        step = self.steps[index]
        # A process without rows in a small last step still has to join the others: it runs one row, unweighted.
        micro = self.plan.micro(step, self.rank, self.world) or [step[:1]]
        return step, [self.examples.collate(rows) for rows in micro]


def collated(
    examples: Examples, plan: Plan, steps: list[Rows], num_workers: int = 0, rank: int = 0, world: int = 1
) -> DataLoader[tuple[Rows, list[Batch]]]:
    """Return a loader of (rows of the whole step, this process's micro-batches), in order.

    The loader gets a generator of its own: otherwise its iterator would draw from the global one even
    without workers.
    """
    return DataLoader(
        _Steps(examples, plan, steps, rank, world),  # type: ignore[arg-type]
        batch_size=None,
        collate_fn=_as_it_is,  # type: ignore[arg-type]
        num_workers=num_workers,
        generator=torch.Generator().manual_seed(0),
    )


def _as_it_is(item: tuple[Rows, list[Batch]]) -> tuple[Rows, list[Batch]]:
    """Keep the row numbers in NumPy; the loader's default would turn them into tensors."""
    return item
