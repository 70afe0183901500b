"""A budget spent in rounds: disjoint, exact, away from what is chosen."""

from __future__ import annotations

import numpy as np
import pytest

from support.pools import pool
from tithe import config, plugins
from tithe.errors import InputError
from tithe.select import selection
from tithe.select.budget import budget_rows, quotas
from tithe.select.pool import Pool
from tithe.select.rounds import History, choose_round, totals


@pytest.mark.parametrize("balance", ["stratified", "uniform", "none"])
@pytest.mark.parametrize("name", [n for n in plugins.names("strategies") if n != "all"])
def test_rounds_are_disjoint_and_sum_to_the_budget(name: str, balance: str) -> None:
    found, asked = pool(), config.Select(strategy=name, budget=0.3, balance=balance, rounds=4, first=name)
    history = History.empty()
    for number in range(4):
        assert history.done == number
        history = choose_round(found, asked, 7, history)
    assert len(history.rows) == len(set(history.rows)) == budget_rows(len(found), 0.3) == 36
    assert np.bincount(history.rounds).tolist() == [9, 9, 9, 9] == np.diff([0, *totals(120, asked)]).tolist()
    if balance == "stratified":
        counts = np.bincount(found.labels[history.rows]).tolist()
        assert counts == quotas(found.labels, 36, balance, 1).tolist()
    again = History.from_json(history.as_json())
    assert (again.rows == history.rows).all() and (again.selection().rank == history.selection().rank).all()


def test_a_later_round_keeps_away_from_what_is_chosen() -> None:
    corners = np.array([[0, 0], [0, 9], [9, 0], [9, 9], [0, 1], [8, 9]], dtype=np.float32)
    found = Pool.of(np.zeros(6, dtype=np.int64), np.arange(6), {"embeddings": corners})
    asked = config.Select(strategy="k_center", balance="none", floor=0)
    first = selection.select(found, asked, 0, total=2)
    second = selection.select(found, asked, 0, taken=first.rows, total=4)
    once = selection.select(found, asked, 0, total=4)
    assert sorted([*first.rows, *second.rows]) == once.rows.tolist()


@pytest.mark.parametrize("rows, share, number, after", [(100, 0.1, 3, [3, 6, 10]), (10, 0.2, 2, [1, 2])])
def test_shares_of_rounds_end_with_the_whole_budget(rows: int, share: float, number: int, after: list[int]) -> None:
    assert totals(rows, config.Select(budget=share, rounds=number)) == after
    with pytest.raises(InputError, match=r"select.rounds 99 is more than the \d+ rows of the budget"):
        totals(rows, config.Select(budget=share, rounds=99))
