"""Every strategy keeps the contract of `tithe.testing`, and the contract finds each way to break it."""

from __future__ import annotations

from pathlib import Path
from typing import get_type_hints

import pytest

from support.generators import generators_kept
from support.pools import NAMES, pool, select, strategy
from tithe import plugins
from tithe.errors import InputError
from tithe.select.strategies import Decides, Matches, Picks, Scores
from tithe.testing import check_strategy

PROTOCOLS = {Scores: "score", Picks: "pick", Matches: "match", Decides: "decide"}
ANEW = ("typiclust",)  # chosen anew for each budget


def test_the_eleven_are_there() -> None:
    assert set(NAMES) <= set(plugins.names("strategies"))


@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_every_strategy_satisfies_one_protocol_and_states_its_types(name: str) -> None:
    module = strategy(name)
    ((protocol, function),) = [(p, f) for p, f in PROTOCOLS.items() if isinstance(module, p)]
    own, contract = getattr(module, function), getattr(protocol, function)
    expected = {**get_type_hints(contract), "options": getattr(module, "Options", object)}
    assert get_type_hints(own) == expected and list(get_type_hints(own)) == list(expected)


@pytest.mark.parametrize("name", plugins.names("strategies"))
def test_every_strategy_keeps_the_contract(name: str) -> None:
    check_strategy(name, nested=name not in ANEW)


@pytest.mark.parametrize("rows", [1, 30, 120])
def test_all_takes_every_row_at_any_budget(rows: int) -> None:
    found = pool(rows, classes=1)
    got = select(found, "all", budget=0.01)
    assert got.rows.tolist() == got.rank.tolist() == list(range(rows)) and (got.score == 0).all()


GOOD = """
import random
import numpy as np
NEEDS = ("probs",)
def score(pool, rng, options):
    return {score}
"""
PICK = """
import numpy as np
NEEDS = ("embeddings",)
def pick(pool, count, rng, options):
    return {pick}
"""
BROKEN = {
    "one signal without a comma": ('NEEDS = ("probs")\ndef score(pool, rng, options): ...', "a tuple"),
    "an unknown signal": ('NEEDS = ("prob",)\ndef score(pool, rng, options): ...', "needs prob: there is .*probs"),
    "a score for each class": (
        GOOD.format(score="pool.probs"),
        r"score\(\) returned an array of float64, shape \(\d+, 3\)",
    ),
    "no number": (
        GOOD.format(score="np.full(len(pool), np.nan)"),
        r"score\(\) returned nan for row \d+ of the data file",
    ),
    "global numbers": (GOOD.format(score="np.random.rand(len(pool))"), "another answer: draw from rng"),
    "a global seed": (
        GOOD.format(score="random.seed(0) or np.array([random.random() for _ in pool.labels])"),
        "changed Python's global random generator",
    ),
    "a signal undeclared": (GOOD.format(score="pool.lengths"), "this pool has no signal 'lengths'"),
    "a row twice": (PICK.format(pick="(np.zeros(count, int), np.zeros(count))"), r"pick\(\) returned row 0 \d+ times"),
    "too few rows": (
        PICK.format(pick="(np.arange(count // 2), np.zeros(count // 2))"),
        r"pick\(\) returned \d+ rows?: it should return a pair: \d+ distinct rows",
    ),
    "rows of elsewhere": (PICK.format(pick="(-1 - np.arange(count), np.zeros(count))"), r"returned row -1: it should"),
    "scores of all": (
        PICK.format(pick="(np.arange(count), np.zeros(len(pool)))"),
        r"returned as scores an array of .*a finite score for each",
    ),
    "budgets apart": (
        PICK.format(pick="((count + np.arange(count)) % len(pool), np.zeros(count))"),
        "are not among those of 0.1",
    ),
    "a budget backwards": (
        PICK.format(pick="(np.arange(count)[::-1], np.zeros(count))"),
        "are not among those of 0.1 in the same order",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_strategy_is_found(name: str, tmp_path: Path) -> None:
    code, says = BROKEN[name]
    (tmp_path / "broken.py").write_text(code)
    with generators_kept(), pytest.raises((AssertionError, InputError), match=says):
        check_strategy(tmp_path / "broken.py")


def test_a_strategy_that_writes_into_a_signal_is_found(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text(GOOD.format(score="np.multiply(pool.probs, 2, out=pool.probs)[:, 0]"))
    with pytest.raises(AssertionError, match=r"score\(\) failed: .*broken\.py line 6: ValueError: .*read-only"):
        check_strategy(tmp_path / "broken.py")


def test_a_strategy_whose_choice_depends_on_the_budget_says_so(tmp_path: Path) -> None:
    (tmp_path / "backwards.py").write_text(PICK.format(pick="(np.arange(count)[::-1], np.zeros(count))"))
    check_strategy(tmp_path / "backwards.py", nested=False)


def test_a_strategy_given_as_a_module_or_with_options() -> None:
    check_strategy(plugins.load("strategies", "el2n"), {"drop_hardest": 0.5})
    check_strategy("tithe.select.strategies.k_center")
    with pytest.raises(AssertionError, match=r"unknown key 'drop' in select\.options of el2n"):
        check_strategy("el2n", {"drop": 0.5})
