"""Labels that nobody has bought can't be read: neither from the ledger, nor from the pool, nor in a selection."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tithe import config, tasks
from tithe.errors import InputError, TitheError
from tithe.models.features import Features
from tithe.select.buying.ledger import Ledger
from tithe.select.choose import choose_rows
from tithe.select.pool import Pool
from tithe.train import devices
from tithe.train.setup import Setup, open_setup

Settings = Callable[..., dict[str, Any]]


def test_bought_labels_are_read_and_counted_once() -> None:
    ledger = Ledger(np.array([2, 0, 1, 0]))
    ledger.buy(np.array([0, 2]))
    ledger.buy(np.array([2]))
    assert ledger.read(np.array([2, 0])).tolist() == [1, 2] and ledger.cost == 2
    with pytest.raises(TitheError, match="2 labels were read that nobody has bought"):
        ledger.read(np.array([0, 1, 3]))


def test_a_pool_without_labels_divides_by_predictions() -> None:
    pool = Pool.of(None, np.arange(3), {"probs": np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])})
    assert pool.groups.tolist() == [0, 1, 1] and pool.take(np.array([2])).groups.tolist() == [1]
    assert Pool.of(None, np.arange(3), {}).groups.tolist() == [0, 0, 0]
    with pytest.raises(InputError, match="reads labels, which track T0 has not bought"):
        _ = pool.labels


@pytest.mark.parametrize(
    ("freeze", "strategy", "retrain"),
    [("all", "auto", "fresh"), ("all", "badge", "fresh"), ("none", "margin", "fresh"), ("none", "margin", "warm")],
)
def test_no_label_that_was_not_bought_changes_the_choice(
    freeze: str, strategy: str, retrain: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    asked = {"strategy": strategy, "track": "T0", "budget": 0.25, "rounds": 3, "retrain": retrain}
    run = config.parse(settings(model={"freeze": freeze}, train={"epochs": 1}, select=asked))
    task = tasks.open_task(run)
    setup = open_setup(task, task.load(), devices.accelerator("cpu", "no"))
    assert run.select is not None
    found = choose_rows(setup, run.select).selection
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    again = choose_rows(_with_other_labels(setup, found.rows), run.select).selection
    assert (again.rows == found.rows).all() and (again.score == found.score).all() and len(found) == 24


def _with_other_labels(setup: Setup, bought: np.ndarray) -> Setup:
    """Return the setup with every label wrong but those of some rows of the pool."""
    rows, bought_rows = setup.splits.rows, setup.splits.split.train[bought]
    labels = (rows.labels + 1) % len(setup.splits.labels)
    labels[bought_rows] = rows.labels[bought_rows]
    splits = replace(setup.splits, rows=replace(rows, labels=labels))
    encoded: Any = replace(setup.encoded, labels=labels)  # type: ignore[type-var]
    examples = replace(setup.examples, origin=encoded) if isinstance(setup.examples, Features) else encoded
    return replace(setup, splits=splits, encoded=encoded, examples=examples)
