"""A schedule that leaves a part of a run without a learning rate: refused with both numbers, before anything."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.points import settings as train_settings
from tithe import config, pipeline
from tithe.errors import InputError
from tithe.train import optimizer

Settings = Callable[..., dict[str, Any]]

# Settings of a run of 80 steps in 8 epochs, and why they are refused.
REFUSED = [
    (
        {"schedule_steps": 10},
        r"schedule_steps \(num_training_steps\) 10 ends before the 80 steps.*set it to 80 or more",
    ),
    ({"schedule_steps": 79, "schedule": "cosine"}, "79 ends before the 80 steps"),
    ({"schedule_steps": 10, "warmup_steps": 20}, "10 ends before the 80 steps"),
    ({"schedule_epochs": 7}, "schedule_epochs 7 ends before the 8 epochs"),
    ({"schedule_epochs": 3, "schedule_from": 4}, "schedule_epochs 3 ends before the 4 epochs"),
    ({"warmup_steps": 1000}, "warmup_steps 1000 leaves none of the 80 optimizer steps .*: set it below 80"),
    ({"warmup_steps": 80, "schedule": "constant"}, "warmup_steps 80 leaves none of the 80"),
    ({"warmup_steps": 50, "schedule_from": 4}, "warmup_steps 50 leaves none of the 40"),
]


@pytest.mark.parametrize(("values", "says"), REFUSED, ids=[str(values) for values, _ in REFUSED])
def test_a_schedule_without_a_rate_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        optimizer.check_schedule(train_settings(**values), 80, 10)


ACCEPTED = [
    {},
    {"schedule_steps": 80},
    {"schedule_steps": 1000},
    {"schedule_steps": 10, "schedule": "constant"},
    {"schedule_steps": 10, "schedule": "cosine", "min_learning_rate": 1e-6},
    {"schedule_steps": 10, "schedule": "cosine", "num_cycles": 1.0},
    {"warmup_steps": 79},
    {"warmup_epochs": 7},
    {"schedule_from": 8, "warmup_steps": 5},
]


@pytest.mark.parametrize("values", ACCEPTED, ids=map(str, ACCEPTED))
def test_a_schedule_with_a_rate_to_the_end_is_accepted(values: dict[str, Any]) -> None:
    assert optimizer.check_schedule(train_settings(**values), 80, 10) == []


def test_a_cosine_that_touches_zero_on_its_way_is_accepted() -> None:
    assert optimizer.check_schedule(train_settings(schedule="cosine", num_cycles=1.0), 2, 1) == []


def test_warmup_epochs_beyond_the_run_are_a_warning() -> None:
    (line,) = optimizer.check_schedule(train_settings(warmup_epochs=8), 80, 10)
    assert line.startswith("train.warmup_epochs 8 leaves none of the 8 epochs of the run")


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
def test_the_rate_stays_where_a_schedule_ended_in_its_warmup(schedule: str) -> None:
    settings = train_settings(schedule=schedule, schedule_epochs=3, warmup_epochs=5)
    factor = optimizer.schedule(settings, 80, 10)
    assert [factor(step) for step in (0, 28, 29)] == [pytest.approx(step / 51) for step in (1, 29, 30)]
    assert {factor(step) for step in range(29, 80)} == {factor(29)}
    (line,) = optimizer.check_schedule(settings, 80, 10)
    assert line.startswith("the schedule ends after 30 steps, in its warmup of 50, and the learning rate stays at")
    with pytest.raises(InputError, match=r"40 ends before the 80 steps of the run, within its warmup: set it to 80"):
        optimizer.check_schedule(train_settings(schedule=schedule, schedule_steps=40, warmup_steps=40), 80, 10)


def test_a_constant_schedule_has_no_end() -> None:
    settings = train_settings(schedule="constant", schedule_epochs=3, warmup_epochs=5)
    assert optimizer.schedule(settings, 80, 10)(60) == 1.0 and optimizer.check_schedule(settings, 80, 10) == []


@pytest.mark.parametrize(
    "sections",
    [
        {"train": {"schedule_steps": 10}},
        {"train": {"warmup_steps": 1000}},
        {"train": {"warmup_steps": 1000}, "tune": {"trials": 1, "sample": 0.5, "epochs": 1}},
    ],
)
def test_a_run_is_refused_before_anything_is_written(settings: Settings, tmp_path: Path, sections: Any) -> None:
    if "tune" in sections:
        pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")
    with pytest.raises(InputError, match="the 24 "):
        pipeline.train(config.parse(settings(**sections)))
    assert not (tmp_path / "run").exists()


def test_a_warning_about_the_warmup_is_in_the_log_of_the_run(settings: Settings) -> None:
    home = pipeline.train(config.parse(settings(train={"warmup_epochs": 2}))).home
    assert "train.warmup_epochs 2 leaves none of the 2 epochs" in (home / "train.log").read_text()
