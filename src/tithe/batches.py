"""The order of rows as a pure function of (seed, epoch), so that a resumed run skips and never replays."""

from __future__ import annotations

import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch.utils.data import DataLoader

from tithe.errors import InputError

Rows = np.ndarray[Any, np.dtype[np.int64]]
Batch = dict[str, torch.Tensor]
Collated = tuple[Rows, list[Batch]]

# Steps whose rows are sorted by length together: many enough to fill batches with like lengths, few enough
# that batches differ from epoch to epoch.
_STEPS_PER_POOL = 256

# Batches' worth of groups that are looked at to fill one; of rows alone and pairs, one is always enough.
_BATCHES_AHEAD = 2


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
    drop_last
        Leave out an epoch's last step where it is short of rows.
    groups
        Group of each row, shape (N,), to keep together in micro-batches; None where rows stand alone.

    Raises
    ------
    InputError
        With `drop_last` no step would be left.
    """

    lengths: Rows | None
    rows: int
    batch_size: int
    accumulation_steps: int
    seed: int
    drop_last: bool = False
    groups: Rows | None = None

    def __post_init__(self) -> None:
        if self.rows and not self.steps_per_epoch:
            raise InputError(
                f"{self.rows} training rows are fewer than the {self._step_rows} of a step: lower the batch size, "
                f"or set train.drop_last to false"
            )

    @property
    def _step_rows(self) -> int:
        return self.batch_size * self.accumulation_steps

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps of one epoch; unless it is dropped, the last may be smaller and no row is left out."""
        whole, rest = divmod(self.rows, self._step_rows)
        return whole + (rest > 0 and not self.drop_last)

    def epoch(self, epoch: int, skip: int = 0) -> list[Rows]:
        """Return the rows of each optimizer step without the first `skip` steps."""
        rng = np.random.default_rng([self.seed, 0xE90C, epoch])
        order = rng.permutation(self.rows)
        if self.lengths is not None:
            order = _grouped(order, self.lengths, self._step_rows, rng)
        if self.groups is not None:
            order = _together(order, self.groups, self.batch_size)
        return [order[i * self._step_rows : (i + 1) * self._step_rows] for i in range(skip, self.steps_per_epoch)]

    def micro(self, step: Rows, rank: int = 0, world: int = 1) -> list[Rows]:
        """Cut one step's rows into this process's micro-batches; none where there are fewer rows than processes."""
        share = step[rank::world] if self.groups is None else np.array_split(step, world)[rank]
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


def _together(order: Rows, groups: Rows, room: int) -> Rows:
    """Keep the shuffled order of groups as far as each can stand whole in one batch of `room` rows.

    A group waits where those behind it fill a batch without it: one row that stands alone would otherwise push every
    pair after it over the edge of a batch.
    """
    members: dict[int, list[int]] = {}
    for row in order.tolist():
        members.setdefault(int(groups[row]), []).append(row)
    waiting = deque(members.values())
    out: list[int] = []
    while waiting:
        if len(waiting[0]) > room:
            out += waiting.popleft()
            continue
        ahead = [waiting.popleft() for _ in range(min(len(waiting), _BATCHES_AHEAD * room))]
        chosen = _filling([len(group) for group in ahead], room - len(out) % room)
        out += [row for i in chosen for row in ahead[i]]
        waiting.extendleft(ahead[i] for i in reversed(range(len(ahead))) if i not in chosen)
    return np.array(out, dtype=np.int64)


def _filling(sizes: list[int], room: int) -> list[int]:
    """Return which groups fill a batch, early ones first; where none do so exactly, one more than fit."""
    ways: dict[int, list[int]] = {0: []}
    for i, size in enumerate(sizes):
        for rows in sorted(ways, reverse=True):
            if rows + size <= room:
                ways.setdefault(rows + size, [*ways[rows], i])
        if room in ways:
            return ways[room]
    most = ways[max(ways)]
    return [*most, *[i for i in range(len(sizes)) if i not in most][:1]]


@dataclass(frozen=True)
class _Steps:
    """A map-style view of the steps still to do, for the loader's workers; an item is one collated step."""

    examples: Examples
    plan: Plan
    first: int
    last: int
    rank: int
    world: int

    def __len__(self) -> int:
        return self.last - self.first

    def __getitem__(self, index: int) -> Collated | InputError:
        epoch, number = divmod(self.first + index, self.plan.steps_per_epoch)
        steps, examples = self._in(epoch)
        step = steps[number]
        # A process without rows in a small last step still has to join the others: it runs one row, unweighted.
        micro = self.plan.micro(step, self.rank, self.world) or [step[:1]]
        try:
            return step, [examples.collate(rows) for rows in micro]
        except InputError as error:  # raised in a worker, the loader would wrap it into a page of its own
            return error

    @cached_property
    def _in(self) -> Callable[[int], tuple[list[Rows], Examples]]:
        """Takes an epoch; returns its steps and its examples, remembered until the next."""
        examples = self.examples

        @lru_cache(maxsize=1)
        def of(epoch: int) -> tuple[list[Rows], Examples]:
            return self.plan.epoch(epoch), examples.at_epoch(epoch) if isinstance(examples, Varied) else examples

        return of


def collated(
    examples: Examples,
    plan: Plan,
    steps: range,
    num_workers: int = 0,
    rank: int = 0,
    world: int = 1,
    pin_memory: bool = False,
) -> Iterator[Collated]:
    """Yield (rows of the whole step, this process's micro-batches), in order.

    One loader serves all epochs: its workers stay, and read on over an epoch's end. It gets a generator of its own:
    otherwise its iterator would draw from the global one even without workers.

    Parameters
    ----------
    steps
        Steps to do, counted over all epochs from 0.

    Raises
    ------
    InputError
        As the examples' `collate`.
    """
    loader: DataLoader[Collated | InputError] = DataLoader(
        _Steps(examples, plan, steps.start, steps.stop, rank, world),  # type: ignore[arg-type]
        batch_size=None,
        collate_fn=_as_it_is,  # type: ignore[arg-type]
        num_workers=num_workers,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_leave_signals,
    )
    for item in loader:
        if isinstance(item, InputError):
            raise item
        yield item


def timed(items: Iterator[Collated]) -> Iterator[tuple[float, Collated]]:
    """Yield the seconds until an item was there, and the item."""
    while True:
        begun = time.monotonic()
        item = next(items, None)
        if item is None:
            return
        yield time.monotonic() - begun, item


def _leave_signals(worker: int) -> None:
    """Let the process that trains, and saves first, be the one that a signal to all of its group stops."""
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)


def _as_it_is(item: Collated) -> Collated:
    """Keep the row numbers in NumPy; the loader's default would turn them into tensors."""
    return item
