"""Random rows with the same help: those of the trial of random, with calibrated weights and the penalty of the head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tithe import config
from tithe.select.choose import SelectionResult, choose_rows
from tithe.select.geometry.calibration import calibrated
from tithe.select.geometry.gradients import Gradients
from tithe.select.suite.controls import Controls
from tithe.select.suite.grid import Grid
from tithe.select.suite.helped import with_same_help
from tithe.tasks import open_checked
from tithe.train import devices
from tithe.train.setup import Setup, open_setup


@pytest.fixture
def setup(settings: Callable[..., dict[str, Any]]) -> Setup:
    task = open_checked(config.parse(settings(model={"freeze": "all"}, data={"test_ratio": 0.2})))
    return open_setup(task, task.load(), devices.accelerator("cpu", "no"))


def select(strategy: str, **more: Any) -> config.Select:
    return config.Select(strategy=strategy, budget=0.25, **more)


@pytest.mark.parametrize("more", [{}, {"filter": {"noise": 0.3}}])
def test_weights_are_calibrated_to_what_the_filters_leave_where_the_strategy_weighs(
    setup: Setup, more: dict[str, Any]
) -> None:
    result, random = choose_rows(setup, select("sensitivity", **more)), choose_rows(setup, select("random", **more))
    helped = with_same_help(setup, result, is_probed=True)
    assert helped is not None and helped.decided == result.decided, "the penalty is that of the strategy"
    assert (helped.selection.rows == random.selection.rows).all(), "those of the trial of random"
    kept = np.setdiff1d(np.arange(len(result.pool)), result.left_out.get("noise", []))
    pool, rows_K, weight_K = (
        result.pool.take(kept),
        np.searchsorted(kept, random.selection.rows),
        helped.selection.weight,
    )
    assert (weight_K >= 0).all() and weight_K.sum() == pytest.approx(len(rows_K), rel=0.02)
    found = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    target_AB, few = found.total() * len(rows_K) / len(pool), found.take(rows_K)
    assert np.allclose(weight_K, calibrated(few, target_AB, np.ones(len(rows_K))), rtol=1e-4, atol=1e-4)
    left, before = (np.linalg.norm(few.total(w) - target_AB) for w in (weight_K, np.ones(len(rows_K))))
    assert left < 0.5 * before


@pytest.mark.parametrize(
    ("strategy", "is_probed", "has_help"),
    [("gradient_match", True, True), ("gradient_match", False, False), ("k_center", True, False), ("all", True, False)],
)
def test_a_strategy_without_weights_helps_by_the_penalty_of_a_probe_alone(
    setup: Setup, strategy: str, is_probed: bool, has_help: bool
) -> None:
    helped = with_same_help(setup, choose_rows(setup, select(strategy)), is_probed)
    assert (helped is not None) is has_help
    assert helped is None or (helped.selection.weight == 1).all()


def test_the_control_tests_the_helped_rows_as_a_trial_does(setup: Setup) -> None:
    calls: list[tuple[Setup, SelectionResult]] = []
    grid = Grid([], [], [], head="probe", controls=["help"])
    measure = Controls(setup, lambda *call: calls.append(call) or {"accuracy": 0.5}, grid)
    assert measure.run("help", choose_rows(setup, select("k_center"))) == {} and not calls
    matched = choose_rows(setup, select("gradient_match"))
    assert measure.run("help", matched) == {"accuracy": 0.5}
    ((of, tested),) = calls
    assert of is setup and tested.pool is matched.pool and (tested.selection.rows != matched.selection.rows).any()
