"""Rows with weights: a weight of 2 is the row twice, whatever a step is cut into."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from torch import nn

from support.points import Net, Points, steps, weights
from tithe import config
from tithe.data import class_weights
from tithe.models.examples import Weighted, total_weight
from tithe.tasks import Criterion
from tithe.tasks.text import Text

CLASSES_C = np.array([0.5, 2.0], dtype=np.float32)


def loss(smoothing: float = 0.0, of_classes: np.ndarray | None = None) -> Criterion:
    run = config.parse({"data": {"path": "rows.csv"}})
    return Text(run, None, None, None, "mean").criterion(smoothing, of_classes)


class Head(Net):
    """A linear head."""

    def __init__(self) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(2)
            self.layers = nn.Sequential(nn.Linear(4, 2))


def weighted(points: Points, seed: int = 3) -> Weighted:
    """Points with weights between 0 and 3, one of four of them 0."""
    drawn = np.random.default_rng(seed).uniform(0, 3, len(points)).astype(np.float32)
    return Weighted(points, np.where(np.arange(len(points)) % 4 == 0, 0, drawn).astype(np.float32))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("balanced", [False, True])
def test_a_weight_of_two_is_the_row_twice(smoothing: float, balanced: bool) -> None:
    points, counts = Points(8), np.array([2, 1, 1, 3, 0, 1, 2, 0])
    repeated = points.take(np.repeat(np.arange(8), counts))
    rows, heads = Weighted(points, counts.astype(np.float32)), (Head(), Head())
    of_classes = (
        [class_weights(points.labels, 2, counts), class_weights(repeated.labels, 2)] if balanced else [None] * 2
    )
    how = {"batch_size": 16, "epochs": 8, "weight_decay": 0.1}
    one, other = (
        list(steps(head, train, loss=loss(smoothing, own), **how))
        for head, train, own in zip(heads, (rows, repeated), of_classes, strict=True)
    )
    assert [step.batch_loss for step in one] == pytest.approx([step.batch_loss for step in other], abs=1e-6)
    torch.testing.assert_close(weights(heads[0]), weights(heads[1]), rtol=0, atol=1e-6)
    plain = Head()
    list(steps(plain, points, loss=loss(smoothing), **how))
    assert (weights(plain) - weights(heads[0])).abs().max() > 1e-3


@pytest.mark.parametrize("grouped", [True, False])
@pytest.mark.parametrize("batch, accumulate", [(4, 2), (2, 4), (3, 3)])
def test_accumulated_steps_equal_the_full_batch(batch: int, accumulate: int, grouped: bool) -> None:
    # 37 rows: the last step is smaller, and with 3 x 3 the micro-batches are uneven too.
    full, parts, how = Net(), Net(), {"group_by_length": grouped, "loss": loss(0.1, CLASSES_C)}
    a = list(steps(full, weighted(Points()), batch_size=batch * accumulate, **how))
    b = list(steps(parts, weighted(Points()), batch_size=batch, accumulation_steps=accumulate, **how))
    assert [s.batch_loss for s in a] == pytest.approx([s.batch_loss for s in b], rel=1e-5)
    torch.testing.assert_close(weights(full), weights(parts), rtol=1e-5, atol=1e-6)


def test_the_loss_of_a_step_is_the_weighted_mean() -> None:
    rows, model = weighted(Points(6)), Net()
    logits = model(rows.collate(np.arange(6)))
    losses = nn.functional.cross_entropy(logits, torch.from_numpy(rows.labels), reduction="none").detach().numpy()
    step = next(steps(model, rows, loss=loss(), batch_size=6))
    assert step.batch_loss == pytest.approx(np.average(losses, weights=rows.weights), rel=1e-6)


def test_only_the_ratios_of_the_weights_matter() -> None:
    rows, nets = weighted(Points()), (Net(), Net())
    for net, scale in zip(nets, (1, 8), strict=True):
        list(steps(net, Weighted(rows.examples, scale * rows.weights), loss=loss()))
    torch.testing.assert_close(weights(nets[0]), weights(nets[1]), rtol=0, atol=1e-7)


def test_a_step_without_weight_has_no_loss_and_moves_nothing() -> None:
    model, before = Net(), weights(Net())
    first = next(steps(model, Weighted(Points(8), np.zeros(8, np.float32)), loss=loss(), weight_decay=0.0))
    assert first.batch_loss == 0.0 and torch.equal(weights(model), before)


def test_rows_without_weights_are_counted() -> None:
    points = Points()
    assert total_weight(points, np.arange(5)) == 5 and "weights" not in points.collate(np.arange(5))
    taken = weighted(points).take(np.array([1, 1, 8]))
    assert taken.weights[0] == taken.weights[1] > 0 == taken.weights[2] and list(taken.ids) == [1001, 1001, 1008]


@pytest.mark.parametrize("stop", [1, 5, 7])
def test_a_resumed_loop_ends_with_the_same_bits(stop: int) -> None:
    whole, part, rest = Net(dropout=0.3), Net(dropout=0.3), Net(dropout=0.3)
    losses = [s.batch_loss for s in steps(whole, weighted(Points()), loss=loss())]
    for step in steps(part, weighted(Points()), loss=loss()):
        if step.step == stop:
            state = copy.deepcopy(step.snapshot())
            break
    assert [s.batch_loss for s in steps(rest, weighted(Points()), loss=loss(), start=state)] == losses[stop:]
    assert torch.equal(weights(whole), weights(rest))
