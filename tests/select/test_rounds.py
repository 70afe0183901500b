"""A budget spent in rounds: disjoint, exact, away from what is chosen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from support.pools import pool
from tithe import config, plugins
from tithe.errors import InputError
from tithe.select import selection
from tithe.select.budget import budget_rows, quotas
from tithe.select.pool import Pool
from tithe.select.rounds import History, check_rounds, choose_round, strategy_of, totals
from tithe.select.settings import fingerprint
from tithe.select.strategies import Divides, Picks, Scores

IN_ROUNDS = [
    name for name, module in plugins.each("strategies") if isinstance(module, Scores | Picks) and name != "all"
]


@pytest.mark.parametrize("balance", ["stratified", "uniform", "none"])
@pytest.mark.parametrize("name", IN_ROUNDS)
def test_rounds_are_disjoint_and_sum_to_the_budget(name: str, balance: str) -> None:
    found, asked = pool(), config.Select(strategy=name, budget=0.3, balance=balance, rounds=4, first=name)
    history = History.empty()
    for number in range(4):
        assert history.done == number
        history = choose_round(found, asked, 7, history)
    assert len(history.rows) == len(set(history.rows)) == budget_rows(len(found), 0.3) == 36
    assert np.bincount(history.rounds).tolist() == [9, 9, 9, 9] == np.diff([0, *totals(120, asked)]).tolist()
    if balance == "stratified" and not isinstance(plugins.load("strategies", name), Divides):
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


OWN = "NEEDS = {}\ndef score(pool, rng, options): ..."


@pytest.mark.parametrize(
    ("name", "embeddings_change", "reads"),
    [
        ("random", True, "it reads no signal, which"),
        ("lexical_diversity", True, "it reads hdd, mtld, ttr, lengths, which"),
        ("perplexity", True, "it reads perplexity, lengths, which"),
        ("ifd", True, "it reads conditional_loss, prior_loss, which"),
        ("k_center", False, "it reads fixed embeddings, which"),
        ("aflite_readability", False, "it reads fixed embeddings, readability, which"),
    ],
)
def test_rounds_in_which_nothing_is_learned_are_refused(name: str, embeddings_change: bool, reads: str) -> None:
    with pytest.raises(InputError, match=f"select.rounds 3 with {name}: {reads}") as caught:
        check_rounds(config.Select(strategy=name, rounds=3), embeddings_change)
    assert "set select.rounds to 1" in str(caught.value) and "\n" not in str(caught.value)
    check_rounds(config.Select(strategy=name), embeddings_change)


@pytest.mark.parametrize("name", ["el2n", "entropy_diversity", "qdit_lite", "edfs_lite", "all"])
def test_rounds_in_which_something_is_learned_are_not(name: str) -> None:
    for embeddings_change in (False, True):
        check_rounds(config.Select(strategy=name, rounds=3), embeddings_change)
    check_rounds(config.Select(strategy="k_center", rounds=3), embeddings_change=True)


@pytest.mark.parametrize("needs, is_refused", [("()", True), ("('lengths',)", True), ("('probs', 'lengths')", False)])
def test_a_strategy_in_a_file_is_checked_by_what_it_reads(needs: str, is_refused: bool, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN.format(needs))
    settings = config.Select(strategy=str(tmp_path / "own.py"), rounds=2)
    if not is_refused:
        check_rounds(settings, embeddings_change=True)
        return
    with pytest.raises(InputError, match=r"select\.rounds 2 with own: it reads"):
        check_rounds(settings, embeddings_change=True)


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({"strategy": "k_center"}, "k_center"),
        ({"strategy": "entropy_diversity"}, "random"),
        ({"strategy": "el2n"}, "random"),
        ({"strategy": "entropy_diversity", "first": "k_center"}, "k_center"),
        ({"strategy": "k_center", "first": "random"}, "random"),
    ],
)
def test_the_first_round_is_the_strategys_own_unless_it_needs_a_model(settings: dict[str, str], first: str) -> None:
    asked = config.Select(rounds=3, **settings)
    assert [strategy_of(asked, number) for number in range(3)] == [first, *[settings["strategy"]] * 2]
    once = config.Select(**settings)
    assert strategy_of(once, 0) == settings["strategy"]
    assert fingerprint(once, config.Data(path="rows.parquet"))["first"] == settings.get("first", "random")
