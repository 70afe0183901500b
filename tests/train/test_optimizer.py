"""Schedules by known answers, what decays, and the moving average."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from support.points import Net, settings
from tithe import config
from tithe.models.foundation.detector import Standardise
from tithe.train import optimizer


@pytest.mark.parametrize(
    "kind, step, factor",
    [
        ("linear", 0, 1 / 11),
        ("linear", 9, 10 / 11),
        ("linear", 10, 1.0),
        ("linear", 55, 0.5),
        ("linear", 100, 0.0),
        ("linear", 200, 0.0),
        ("cosine", 10, 1.0),
        ("cosine", 55, 0.5),
        ("cosine", 100, 0.0),
    ],
)
def test_schedule_known_answers(kind: str, step: int, factor: float) -> None:
    schedule = optimizer.schedule(settings(schedule=kind, warmup_steps=10), 100)
    assert schedule(step) == pytest.approx(factor, abs=1e-12)


# Two steps in an epoch, peak 1: settings, step, rate.
EPOCHS = [
    ({"warmup_epochs": 5}, 0, 1 / 11),
    ({"warmup_epochs": 5}, 9, 10 / 11),
    ({"warmup_epochs": 5}, 10, 1.0),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 55, 0.55),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 100, 0.1),
    ({"warmup_epochs": 5, "min_learning_rate": 0.1}, 200, 0.1),
    ({"warmup_epochs": 5, "warmup_steps": 3}, 3, 1.0),
    ({"min_learning_rate": 2.0}, 50, 1.0),  # never upwards
    ({"schedule_epochs": 10}, 10, 0.5),
    ({"schedule_epochs": 10, "schedule_steps": 40}, 20, 0.5),
    ({"schedule_from": 10, "warmup_epochs": 1}, 5, 1 / 3),
    ({"schedule_from": 10, "warmup_epochs": 1}, 21, 2 / 3),
    ({"schedule_from": 10, "warmup_epochs": 1}, 22, 1.0),
    ({"schedule_from": 10}, 60, 0.5),  # the end is that of the run
    ({"schedule_from": 10, "schedule_epochs": 20}, 40, 0.5),
]


@pytest.mark.parametrize(("values", "step", "rate"), EPOCHS)
def test_a_schedule_in_epochs(values: dict[str, object], step: int, rate: float) -> None:
    factor = optimizer.schedule(settings(schedule="cosine", **{"learning_rate": 1.0, **values}), 100, 2)
    assert factor(step) == pytest.approx(rate, abs=1e-12)


def test_schedule_horizon_and_cycles() -> None:
    assert optimizer.schedule(settings(schedule_steps=50), 100)(25) == pytest.approx(0.5)
    two_waves = optimizer.schedule(settings(schedule="cosine", num_cycles=2.0), 100)
    assert [two_waves(s) for s in (0, 25, 50, 75, 100)] == pytest.approx([1, 0, 1, 0, 1], abs=1e-12)


def test_vectors_do_not_decay() -> None:
    decayed, free = optimizer.parameter_groups(Net(), settings(weight_decay=0.1))
    assert decayed["weight_decay"] == 0.1 and free["weight_decay"] == 0.0
    assert {p.ndim for p in decayed["params"]} == {2} and {p.ndim for p in free["params"]} == {1}


@pytest.mark.usefixtures("seeded")
def test_average_known_answer() -> None:
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(1.0)
    average = optimizer.Average(model, decay=0.75)
    model.weight.data.fill_(5.0)
    average.update(model)
    assert float(average.weights["weight"]) == pytest.approx(2.0)


def test_what_a_network_has_counted_of_its_rows_is_no_weight_to_average() -> None:
    features = Standardise(2)
    average = optimizer.Average(features, decay=0.9)
    rows_B2 = torch.tensor([[1.0, 10.0], [3.0, 10.5], [5.0, 11.0]])
    features(rows_B2)
    average.update(features)
    with average.applied(features.eval()):
        torch.testing.assert_close(features(rows_B2).mean(0), torch.zeros(2), atol=1e-5, rtol=0)
        torch.testing.assert_close(features(rows_B2).var(0, correction=0), torch.ones(2), atol=1e-4, rtol=0)


@pytest.mark.parametrize(("warmup", "first"), [(0, [1.0] * 4), (3, [0.25, 0.5, 0.75, 1.0])])
def test_a_constant_schedule_warms_up_and_stays(warmup: int, first: list[float]) -> None:
    factor = optimizer.schedule(config.Train(schedule="constant", warmup_steps=warmup, schedule_steps=10), 20)
    assert [factor(step) for step in range(4)] == first
    assert {factor(step) for step in (*range(4, 25), 10**6)} == {1.0}
