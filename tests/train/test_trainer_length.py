"""A run with as many steps as another one takes: whole passes over its rows, and a part of the last."""

from __future__ import annotations

import copy

import pytest
import torch

from support.points import Net, settings, steps, weights
from tithe.train import optimizer

# 37 rows in batches of 8 are five steps a pass. Twelve steps an epoch and two epochs: four passes and four steps.
LONG = {"steps_per_epoch": 12, "epochs": 2}
SCHEDULE = {"schedule": "cosine", "warmup_epochs": 1, "min_learning_rate": 1e-4}


def test_the_last_pass_is_cut_and_validated() -> None:
    got = list(steps(Net(), **LONG, validate_every=2, validate=lambda model: {"loss": 1.0}))
    assert [s.step for s in got] == list(range(1, 25))
    assert [s.epoch for s in got] == [1] * 5 + [2] * 5 + [3] * 5 + [4] * 5 + [5] * 4
    assert [s.step for s in got if s.ends_epoch] == [5, 10, 15, 20, 24]
    assert [s.step for s in got if s.scores] == [10, 20, 24]


def test_warmup_and_schedule_are_those_of_the_longer_epochs() -> None:
    rates = [step.lr[0] for step in steps(Net(), **LONG, **SCHEDULE)]
    factor = optimizer.schedule(settings(epochs=2, **SCHEDULE), 24, 12)
    assert rates == pytest.approx([1e-2 * factor(number) for number in range(24)], rel=1e-12)
    assert rates.index(max(rates)) == 12  # the end of the warmup of one epoch


@pytest.mark.parametrize("stop", [3, 20, 22, 24])
def test_a_resumed_loop_ends_with_the_same_bits(stop: int) -> None:
    whole, part, rest = Net(dropout=0.3), Net(dropout=0.3), Net(dropout=0.3)
    losses = [s.batch_loss for s in steps(whole, **LONG)]
    for step in steps(part, **LONG):
        if step.step == stop:
            state = copy.deepcopy(step.snapshot())
            break
    assert [s.batch_loss for s in steps(rest, start=state, **LONG)] == losses[stop:]
    assert torch.equal(weights(whole), weights(rest))


def test_more_epochs_go_on_within_the_pass_that_was_cut() -> None:
    model, longer = Net(), {**LONG, "schedule": "constant"}
    state = list(steps(model, **longer))[-1].snapshot()
    more = list(steps(model, start=state, **{**longer, "epochs": 3}))
    assert [s.step for s in more] == list(range(25, 37)) and [s.epoch for s in more] == [5] + [6] * 5 + [7] * 5 + [8]
    whole = Net()
    list(steps(whole, **{**longer, "epochs": 3}))
    torch.testing.assert_close(weights(model), weights(whole), rtol=0, atol=0)
