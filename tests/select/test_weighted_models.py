"""Models of chosen rows count each by its weight: that of the data and that of the selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tithe import config, tasks
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.select.buying.ledger import Ledger
from tithe.select.buying.rescore import rescore_with_bought
from tithe.select.selection import Selection
from tithe.select.signals import linear_probes
from tithe.select.suite.probe import probe
from tithe.train import devices
from tithe.train.setup import Setup, open_setup

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def setup(settings: Settings) -> Setup:
    task = tasks.open_task(config.parse(settings(model={"freeze": "all"}, data={"test_ratio": 0.2})))
    return open_setup(task, task.load(), devices.accelerator("cpu", "no"))


def weighted(setup: Setup, weights: Array) -> Setup:
    """The same data, whose weight column says this of the pool."""
    rows = setup.splits.rows
    of_all = np.ones(len(rows))
    of_all[setup.splits.split.train] = weights
    return replace(setup, splits=replace(setup.splits, rows=replace(rows, weights=of_all)))


def selection(rows: Array) -> Selection:
    return Selection(rows, np.arange(len(rows)), np.zeros(len(rows)), np.zeros_like(rows), np.ones(len(rows)))


def test_a_probe_reads_no_row_of_weight_zero(setup: Setup) -> None:
    every = np.arange(len(setup.splits.split.train))
    own = np.where(every % 2, 3.0, 0.0)
    few, _ = probe(setup, selection(every[own > 0]), 0.01)
    both, _ = probe(weighted(setup, own), selection(every), 0.01)
    plain, _ = probe(setup, selection(every), 0.01)
    assert np.abs(both - few).max() < 2e-3 < np.abs(plain - few).max(), "of the penalty λ·n / Σw, too"
    with pytest.raises(InputError, match="the weights of all 1 training rows are 0"):
        probe(weighted(setup, own), selection(every[:1]), 0.01)


@pytest.mark.parametrize("by", ["data", "selection"])
def test_a_model_of_bought_labels_counts_them_by_weight(by: str, setup: Setup) -> None:
    labels = setup.splits.pool_labels
    X_ND = np.random.default_rng(0).normal(size=(len(labels), 4)) + 2 * np.eye(4)[labels]
    rows, own = np.arange(20), np.where(np.arange(len(labels)) % 2, 3.0, 0.0)
    data, factors = (own, np.ones(20)) if by == "data" else (np.ones(len(labels)), own[:20])
    given = weighted(setup, data)
    probs = rescore_with_bought(given, Ledger(labels), X_ND)(rows, factors).signals["probs"]
    plain = rescore_with_bought(setup, Ledger(labels), X_ND)(rows, np.ones(20)).signals["probs"]
    weight_K = given.splits.weights_of(rows, factors)
    assert set(np.unique(weight_K > 0)) == {False, True} and np.abs(probs - plain).max() > 0.01
    strength = linear_probes.best_strength(X_ND[rows], labels[rows], setup.run.seed, weight_K=weight_K)
    assert (probs == linear_probes.fitted(X_ND, rows, labels[rows], strength, weight_K)[0]).all()


def planted(rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, rows)
    return rng.normal(size=(rows, 5)) + np.eye(5)[labels], labels


def test_a_weight_of_two_is_the_row_twice() -> None:
    X_ND, labels = planted(60)
    rows, weight_K = np.arange(40), np.where(np.arange(40) < 20, 2.0, 1.0)
    twice = np.concatenate([rows, rows[:20]])
    one, _ = linear_probes.fitted(X_ND, rows, labels[rows], 0.05, weight_K)
    other, _ = linear_probes.fitted(X_ND, twice, labels[twice], 0.05)
    assert np.abs(one - other).max() < 1e-3


def test_a_few_labels_of_which_a_fold_has_only_new_classes_choose_a_penalty() -> None:
    X_ND, _ = planted(60)
    chosen = {linear_probes.best_strength(X_ND[:rows], np.arange(rows), 0) for rows in range(2, 8)}
    assert chosen <= {0.002, 0.005, 0.02, 0.05, 0.2}


def test_a_row_of_weight_zero_has_no_say_in_the_penalty() -> None:
    X_ND, labels = planted(240)
    noisy = np.where(np.arange(240) < 40, labels, np.random.default_rng(2).integers(0, 3, 240))
    weight_K = (np.arange(240) < 40) * 1.0
    few = {linear_probes.best_strength(X_ND[:40], labels[:40], seed) for seed in range(3)}
    weighted = {linear_probes.best_strength(X_ND, noisy, seed, weight_K=weight_K) for seed in range(3)}
    assert few == weighted == {0.2} != {linear_probes.best_strength(X_ND, noisy, seed) for seed in range(3)}
