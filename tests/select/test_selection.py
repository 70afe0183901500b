"""One selection: mistakes in one line, ties, and what a strategy sees."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from support.pools import pool, select
from tithe import config, plugins
from tithe.errors import InputError, TitheError
from tithe.select import selection
from tithe.select.pool import Pool


@pytest.mark.parametrize(
    "signal, strategy", [("embeddings", "k_center"), ("probs", "qdit_lite"), ("perplexity", "perplexity")]
)
def test_what_is_not_a_number_names_its_row(signal: str, strategy: str) -> None:
    found = pool(30)
    broken = np.array(found.signals[signal], dtype=float)
    broken[7] = np.nan
    with pytest.raises(InputError, match=f"signal '{signal}' is not a number for row 70 of the data file"):
        select(Pool.of(found.labels, found.ids, {**found.signals, signal: broken}), strategy)


@pytest.mark.parametrize(
    "settings, says",
    [
        ({"strategy": "k_centre"}, "unknown strategy 'k_centre': did you mean 'k_center'"),
        ({"strategy": "el2n", "options": {"drop": 0.1}}, "unknown key 'drop' in select.options of el2n"),
        ({"strategy": "entropy_diversity", "options": {"weight": 2.0}}, "weight = 2.0 should be less than"),
        ({"strategy": "random", "options": {"weight": 2.0}}, "unknown key 'weight'"),
    ],
)
def test_mistakes_are_one_line(settings: Mapping[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        selection.select(pool(), config.Select(**settings), 0)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_a_strategy_sees_what_it_declared_and_nothing_else() -> None:
    own = pool().only(("probs",))
    assert own.probs.shape == (120, 3)
    with pytest.raises(AttributeError, match="no signal 'embeddings'"):
        _ = own.embeddings


def test_ties_go_to_the_lowest_row_and_higher_is_kept() -> None:
    found = Pool.of(np.zeros(6, dtype=np.int64), np.arange(6), {"proxy_probs": np.full((6, 1, 2), 0.5)})
    got = select(found, "el2n", budget=0.5, options={"drop_hardest": 0.0})
    assert got.rows.tolist() == [0, 1, 2] and got.rank.tolist() == [0, 1, 2]


def test_a_strategy_that_neither_scores_nor_picks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "load", lambda family, name: ModuleType(name))
    with pytest.raises(TitheError, match=r"'broken' chooses no rows here: it needs NEEDS, and score, pick or match"):
        select(pool(), "broken")


def test_a_floor_takes_no_class_below_its_own() -> None:
    labels = np.repeat([0, 1, 2], 10)
    score_N = np.full(30, -1.0)
    score_N[[20, 21, 22, 0, 1, 2]] = [9, 8, 7, 6, 5, 4]  # three of two classes, the last picks all of the first one
    found = Pool.of(labels, np.arange(30), {"scores": score_N})
    picks = select(found, "scores", budget=0.2, balance="none", floor=2)
    assert picks.rows.tolist() == [0, 1, 10, 11, 20, 21]


def test_a_floor_that_earlier_rounds_leave_no_room_for_is_given_what_there_is() -> None:
    """Where labels are bought, rows that were bought may all be predicted as one class later."""
    guess_NC = np.eye(3)[np.repeat([0, 1, 2], 10)]
    found = Pool.of(None, np.arange(30), {"probs": guess_NC})
    settings = config.Select(strategy="margin", track="T0", budget=0.2, balance="none", floor=1)
    picks = selection.select(found, settings, 0, taken=np.arange(5), total=6)
    assert len(picks) == 1 and guess_NC[picks.rows, 1].all()
