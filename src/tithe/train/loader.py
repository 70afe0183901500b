"""Loading of steps ahead of the training loop, optionally in worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache

import torch
from torch.utils.data import DataLoader

from tithe import interrupts
from tithe.arrays import Rows
from tithe.errors import InputError
from tithe.models.examples import Batch, Examples, Varied
from tithe.train.batch_plan import Plan

Collated = tuple[Rows, list[Batch]]


@dataclass(frozen=True)
class _Steps:
    """A map-style data set of the remaining steps, for the loader's workers; an item is one collated step."""

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
        # A process without rows in a small last step still has to take part: it runs one row, with weight 0.
        micro = self.plan.micro(step, self.rank, self.world) or [step[:1]]
        try:
            return step, [examples.collate(rows) for rows in micro]
        except InputError as error:  # if raised in a worker, the loader would wrap it in a long traceback
            return error

    @cached_property
    def _in(self) -> Callable[[int], tuple[list[Rows], Examples]]:
        """Function from an epoch to its steps and examples, which are cached until the next epoch."""
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
    """Yield (all rows of a step, this process's micro-batches), in order.

    One loader serves all epochs: its workers continue past the end of an epoch. It has its own generator: otherwise its
    iterator would draw from the global one even without workers.

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
        collate_fn=_unchanged,  # type: ignore[arg-type]
        num_workers=num_workers,
        pin_memory=pin_memory,
        generator=torch.Generator().manual_seed(0),
        worker_init_fn=_ignore_signals,
    )
    for item in loader:
        if isinstance(item, InputError):
            raise item
        yield item


def timed(items: Iterator[Collated]) -> Iterator[tuple[float, Collated]]:
    """Yield each item with the seconds spent waiting for it."""
    while True:
        start = time.monotonic()
        item = next(items, None)
        if item is None:
            return
        yield time.monotonic() - start, item


def _ignore_signals(worker: int) -> None:
    """Ignore signals to the process group in a worker: the training process saves first, and then stops the workers."""
    interrupts.ignore()


def _unchanged(item: Collated) -> Collated:
    """Keep the row numbers in NumPy; the loader's default would turn them into tensors."""
    return item
