"""The order of rows as a pure function of (seed, epoch): a resumed run skips finished steps without loading them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np

from tithe.arrays import Rows
from tithe.errors import InputError

# Steps whose rows are sorted by length together: enough to fill batches with similar lengths, few enough that batches
# differ between epochs.
_STEPS_PER_POOL = 256

# Groups that are considered to fill one batch, in batches; for pairs and single rows one is always enough.
_BATCHES_AHEAD = 2


@dataclass(frozen=True)
class Plan:
    """Which rows make up which optimizer step, for every epoch.

    Parameters
    ----------
    lengths
        Row lengths for grouping, shape (N,); None for batches independent of length.
    rows
        Number of rows N.
    batch_size
        Rows of a micro-batch.
    accumulation_steps
        Micro-batches of an optimizer step. A step's rows do not depend on how it is cut into micro-batches.
    seed
        With the epoch, determines the order.
    drop_last
        Skip an epoch's last step if it has fewer rows.
    groups
        Group of each row, shape (N,), to keep together in micro-batches; None without groups.

    Raises
    ------
    InputError
        With `drop_last` no step is left.
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
        """Optimizer steps of one epoch, with a smaller last one unless `drop_last` is set."""
        full, rest = divmod(self.rows, self._step_rows)
        return full + (rest > 0 and not self.drop_last)

    def epoch(self, epoch: int, skip: int = 0) -> list[Rows]:
        """Return the rows of each optimizer step of an epoch, without the first `skip` steps."""
        rng = np.random.default_rng([self.seed, 0xE90C, epoch])
        order = rng.permutation(self.rows)
        if self.lengths is not None:
            order = _by_length(order, self.lengths, self._step_rows, rng)
        if self.groups is not None:
            order = _keep_groups(order, self.groups, self.batch_size)
        return [order[i * self._step_rows : (i + 1) * self._step_rows] for i in range(skip, self.steps_per_epoch)]

    def micro(self, step: Rows, rank: int = 0, world: int = 1) -> list[Rows]:
        """Cut one step's rows into this process's micro-batches; with fewer rows than processes, some get none."""
        share = step[rank::world] if self.groups is None else np.array_split(step, world)[rank]
        if self.lengths is not None:
            share = share[np.argsort(self.lengths[share], kind="stable")]
        return [share[i : i + self.batch_size] for i in range(0, len(share), self.batch_size)]


def _by_length(order: Rows, lengths: Rows, step_rows: int, rng: np.random.Generator) -> Rows:
    """Sort pools of the shuffled order by length, cut them into steps, and shuffle the full steps."""
    pool = step_rows * _STEPS_PER_POOL
    pools = [order[i : i + pool] for i in range(0, len(order), pool)]
    by_length = np.concatenate([p[np.argsort(lengths[p], kind="stable")] for p in pools])
    full = len(order) // step_rows
    steps = by_length[: full * step_rows].reshape(full, step_rows)
    return np.concatenate([steps[rng.permutation(full)].ravel(), by_length[full * step_rows :]])


def _keep_groups(order: Rows, groups: Rows, room: int) -> Rows:
    """Keep the shuffled order of groups as far as each fits completely into one batch of `room` rows.

    A group is postponed if later ones fill a batch without it: otherwise a single row would split every pair after it
    across two batches.
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
        chosen = _fill_batch([len(group) for group in ahead], room - len(out) % room)
        out += [row for i in chosen for row in ahead[i]]
        waiting.extendleft(ahead[i] for i in reversed(range(len(ahead))) if i not in chosen)
    return np.array(out, dtype=np.int64)


def _fill_batch(sizes: list[int], room: int) -> list[int]:
    """Return the indices of groups that fill a batch, early ones first; if none fill it exactly, one more than fit."""
    ways: dict[int, list[int]] = {0: []}
    for i, size in enumerate(sizes):
        for rows in sorted(ways, reverse=True):
            if rows + size <= room:
                ways.setdefault(rows + size, [*ways[rows], i])
        if room in ways:
            return ways[room]
    most = ways[max(ways)]
    return [*most, *[i for i in range(len(sizes)) if i not in most][:1]]
