"""The contract of every strategy: budgets, quotas, order, nesting, and data of one kind."""

from __future__ import annotations

from typing import get_type_hints

import numpy as np
import pytest

from support.pools import NAMES, pool, select, strategy
from tithe import plugins
from tithe.select.budget import budget_rows, quotas
from tithe.select.pool import Pool
from tithe.select.strategies import Picks, Scores


def test_the_eleven_are_there() -> None:
    assert set(NAMES) <= set(plugins.names("strategies"))


@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_every_strategy_satisfies_one_protocol_and_states_its_types(name: str) -> None:
    module = strategy(name)
    assert isinstance(module, Scores) != isinstance(module, Picks)
    own, contract = (module.score, Scores.score) if isinstance(module, Scores) else (module.pick, Picks.pick)
    expected = {**get_type_hints(contract), "options": getattr(module, "Options", object)}
    assert get_type_hints(own) == expected and list(get_type_hints(own)) == list(expected)


@pytest.mark.parametrize("balance", ["stratified", "uniform", "none"])
@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_every_strategy_keeps_the_contract(name: str, balance: str) -> None:
    found = pool()
    before = {key: np.array(value) for key, value in found.signals.items()}
    for share in (0.02, 0.1, 0.37, 1.0):
        floor = 0 if share < 0.05 else 1
        got = select(found, name, seed=3, budget=share, balance=balance, floor=floor)
        count = len(found) if name == "all" else budget_rows(len(found), share)
        assert len(got) == count and (np.diff(got.rows) > 0).all() and got.rows[0] >= 0 and got.rows[-1] < len(found)
        assert sorted(got.rank) == list(range(count)) and got.score.shape == (count,) and np.isfinite(got.score).all()
        again = select(found, name, seed=3, budget=share, balance=balance, floor=floor)
        assert (again.rows == got.rows).all() and (again.rank == got.rank).all() and (again.score == got.score).all()
        if balance == "stratified" and name != "all":
            quota_C = quotas(found.labels, count, balance, floor)
            assert np.bincount(found.labels[got.rows], minlength=len(quota_C)).tolist() == quota_C.tolist()
    for key, value in found.signals.items():
        assert (np.asarray(value) == before[key]).all() and not value.flags.writeable


@pytest.mark.parametrize("name", [n for n in plugins.names("strategies") if n not in ("all", "edfs_lite")])
def test_a_smaller_budget_is_a_part_of_a_larger_one(name: str) -> None:
    found = pool(400)
    small, large = (select(found, name, seed=1, budget=b, balance="none", floor=0) for b in (0.05, 0.1))
    assert set(small.rows) <= set(large.rows)
    small, large = (select(found, name, seed=1, budget=b) for b in (0.05, 0.1))
    assert set(small.rows) <= set(large.rows)


@pytest.mark.parametrize("name", NAMES)
def test_one_class_and_one_row_are_no_obstacle(name: str) -> None:
    found = pool(30)
    single = Pool.of(np.zeros(30, dtype=np.int64), found.ids, {**found.signals, "probs": np.ones((30, 1))})
    single = Pool.of(single.labels, single.ids, {**single.signals, "proxy_probs": np.ones((30, 2, 1))})
    assert len(select(single, name, budget=0.01)) == (30 if name == "all" else 1)


@pytest.mark.parametrize("name", NAMES)
def test_rows_that_are_all_alike_are_no_obstacle(name: str) -> None:
    found = pool(40)
    alike = {key: np.repeat(np.asarray(value)[:1], 40, axis=0) for key, value in found.signals.items()}
    got = select(Pool.of(found.labels, found.ids, alike), name, budget=0.2)
    assert len(got) == (40 if name == "all" else 8)
