"""Batches collated ahead by workers: the same ones, of the right epoch, whatever signals arrive."""

from __future__ import annotations

import copy
import multiprocessing
import os
import time

import numpy as np
import pytest
import torch

from support.points import Net, Points, settings, steps
from tithe import interrupts
from tithe.errors import InputError
from tithe.models.examples import Batch
from tithe.train import trainer
from tithe.train.batch_plan import Plan
from tithe.train.loader import collated


def test_workers_collate_the_same_batches() -> None:
    data, plan = Points(), Plan(None, 37, 4, 2, seed=0)
    for (rows_a, a), (rows_b, b) in zip(
        collated(data, plan, range(5)), collated(data, plan, range(5), num_workers=2), strict=True
    ):
        assert rows_a.tolist() == rows_b.tolist()
        for x, y in zip(a, b, strict=True):
            torch.testing.assert_close(x["x"], y["x"])


class Turning(Points):
    """Points that are turned in every epoch, two of which belong together."""

    turned = 0
    lengths = None

    @property
    def groups(self) -> np.ndarray:
        return np.arange(len(self)) // 2

    def at_epoch(self, epoch: int) -> Turning:
        other = copy.copy(self)
        other.turned = epoch + 1
        return other

    def collate(self, rows: np.ndarray) -> Batch:
        return {**super().collate(rows), "epoch": torch.full((len(rows),), self.turned)}


@pytest.mark.parametrize("workers", [0, 2])
def test_examples_that_vary_are_those_of_the_epoch_that_is_trained(workers: int) -> None:
    data, s = Turning(), settings(batch_size=4, drop_last=True)
    plan = trainer.plan(data, s, 0)
    assert plan.groups is not None and plan.steps_per_epoch == 9
    items = list(collated(data, plan, range(7, 20), num_workers=workers))
    assert [int(batch["epoch"][0]) for _, (batch,) in items] == [1] * 2 + [2] * 9 + [3] * 2
    expected = [plan.epoch(step // 9)[step % 9].tolist() for step in range(7, 20)]
    assert [rows.tolist() for rows, _ in items] == expected
    assert all(set(rows.tolist()) == {r ^ 1 for r in rows.tolist()} or 36 in rows for rows, _ in items)


class Vanishing(Points):
    """Points of which one can no longer be read."""

    def collate(self, rows: np.ndarray) -> Batch:
        if 5 in rows:
            raise InputError("row 5 has gone: put it back")
        return super().collate(rows)


@pytest.mark.parametrize("workers", [0, 2])
def test_what_a_worker_has_to_say_is_still_one_line(workers: int) -> None:
    with pytest.raises(InputError) as caught:
        list(steps(Net(), Vanishing(), num_workers=workers))
    assert str(caught.value) == "row 5 has gone: put it back"


class Slow(Points):
    def collate(self, rows: np.ndarray) -> Batch:
        time.sleep(0.02)
        return super().collate(rows)


def test_a_step_says_how_long_it_waited_for_its_examples() -> None:
    assert all(step.data_wait_seconds >= 0.02 for step in steps(Net(), Slow(), epochs=1))


@pytest.mark.parametrize("signum", interrupts.STOPPING)
def test_a_signal_to_the_whole_group_leaves_the_workers_at_work(signum: int) -> None:
    plan = Plan(None, 37, 4, 1, seed=0)
    others = multiprocessing.active_children()
    items = collated(Points(), plan, range(20), num_workers=2)
    seen = [next(items)[0].tolist() for _ in range(2)]  # one of each worker: both have begun
    workers = [child for child in multiprocessing.active_children() if child not in others]
    assert len(workers) == 2
    for worker in workers:
        os.kill(worker.pid or 0, signum)
    seen += [rows.tolist() for rows, _ in items]
    assert seen == [rows.tolist() for epoch in (0, 1) for rows in plan.epoch(epoch)]
