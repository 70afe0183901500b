"""Steps collated ahead of the training loop, in worker processes where asked."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch.utils.data import DataLoader

from tithe.arrays import Rows
from tithe.errors import InputError
from tithe.models.examples import Batch, Examples, Varied
from tithe.train.batch_plan import Plan

Collated = tuple[Rows, list[Batch]]


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
    share: tuple[int, int] = (0, 1),
    num_workers: int = 0,
    pin_memory: bool = False,
) -> Iterator[Collated]:
    """Yield (rows of the whole step, this process's micro-batches), in order.

    One loader serves all epochs: its workers stay, and read on over an epoch's end. It gets a generator of its own:
    otherwise its iterator would draw from the global one even without workers.

    Parameters
    ----------
    steps
        Steps to do, counted over all epochs from 0.
    share
        This process's rank and the number of processes.

    Raises
    ------
    InputError
        As the examples' `collate`.
    """
    loader: DataLoader[Collated | InputError] = DataLoader(
        _Steps(examples, plan, steps.start, steps.stop, *share),  # type: ignore[arg-type]
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
