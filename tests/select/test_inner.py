"""An inner split of the pool says which candidate is worth most, by rows that none of them saw."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tithe import config, plugins, storage
from tithe.errors import InputError
from tithe.select import entry, explain_row, inner
from tithe.select.buying.evidence import Candidate, InnerSplit
from tithe.select.inner import compared
from tithe.select.outputs import summary
from tithe.select.pool import Pool

Settings = Callable[..., dict[str, Any]]


def noisy_pool(rows: int, flipped: float) -> Pool:
    """Two classes far apart, a share of whose labels are wrong."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, rows)
    X = (rng.normal(size=(rows, 6)) + 3 * np.eye(6)[truth]).astype(np.float32)
    labels = np.where(rng.random(rows) < flipped, 1 - truth, truth)
    signals = {"embeddings": X, "probs": np.full((rows, 2), 0.5)}  # the rest is computed for the inner split
    return Pool.of(labels, np.arange(rows), signals)


def test_a_filter_helps_where_labels_are_wrong_and_every_candidate_is_tested_on_the_same_rows() -> None:
    pool = noisy_pool(600, 0.3)
    candidates = (Candidate("random"), Candidate("random", {"noise": 0.3}), Candidate("gradient_match"))
    found = compared(pool, candidates, config.Select(budget=0.1), 0, is_frozen=True)
    random, filtered, matched = found.accuracies
    assert found.held_out == 600 and filtered > random and matched > 0.6
    assert all(0.55 < loss < 1 for loss in found.losses), "0.61 is that of the truth, of which 30 % is flipped"
    again = compared(pool, candidates[1:], config.Select(budget=0.1), 0, is_frozen=True)
    assert (again.accuracies, again.losses) == (found.accuracies[1:], found.losses[1:]), (
        "the same whatever else is compared"
    )


def test_large_pools_are_compared_on_a_part_of_each_class(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inner, "_MOST", 200)
    found = compared(noisy_pool(600, 0.0), (Candidate("random"),), config.Select(budget=0.1), 0, is_frozen=False)
    assert found.held_out == 200 and found.accuracies[0] > 0.9 and not found.is_frozen


def test_a_run_says_what_auto_decided_for_and_why(
    settings: Settings, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = inner.decided
    monkeypatch.setattr(inner, "decided", lambda *of: own(*of)._replace(comparison=1000.0))
    raw = settings(model={"freeze": "all"}, select={"strategy": "auto", "budget": 0.25})
    result = entry.select(raw, out=tmp_path / "picks.parquet")
    (first,) = storage.read_json(tmp_path / "picks.json")["rounds"]
    assert set(first["evidence"]["accuracies"]) == {
        *("random", "random after filter noise", "gradient_match", "omp", "sensitivity")
    }
    candidates = [tuple(each.values()) for each in first["evidence"]["candidates"]]
    assert candidates[:2] == [("random", []), ("random", ["noise"])] and len(candidates) == 5
    assert first["strategy"] == result.decided.strategy and "held-out rows of the pool" in first["reason"]
    assert summary(result)["strategy"] == "auto" and result.decided.strategy in first["evidence"]["losses"]
    assert result.seconds["choice"] > 1000, "the comparison is part of what the choice costs"
    chosen = int(result.ids[0])
    said = explain_row(result, chosen)
    assert "was chosen: rank" in said and f"; auto left this to {result.decided.strategy}: on 96 held-out rows" in said


def test_a_budget_too_small_for_the_floor_of_an_inner_split_is_compared() -> None:
    pool = noisy_pool(40, 0.0)
    found = compared(pool, (Candidate("random"),), config.Select(budget=0.04, floor=1), 0, is_frozen=True)
    assert found.held_out == 40, "2 rows of 40 are 1 of the 32 of an inner split, fewer than the classes"


def test_a_filter_that_leaves_too_few_rows_is_not_compared(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def counted(pool: Pool, candidates: list[Candidate], *_: Any) -> InnerSplit:
        return InnerSplit(
            tuple(candidates), (0.5,) * len(candidates), (0.5,) * len(candidates), len(pool), is_frozen=True
        )

    monkeypatch.setattr(inner, "compared", counted)
    raw = settings(model={"freeze": "all"}, select={"strategy": "auto", "budget": 0.9})
    assert list(entry.select(raw).rounds[0]["evidence"]["accuracies"]) == [
        "random",
        "gradient_match",
        "omp",
        "sensitivity",
    ]


@pytest.mark.parametrize(
    "own, left",
    [
        ({"duplicates": 0.999}, {"noise": 0.3, "duplicates": 0.999}),
        ({"noise": 0.1}, {"noise": 0.1}),
        ({}, {"noise": 0.3}),
    ],
)
def test_the_filter_of_a_candidate_is_added_to_that_of_the_user(
    own: dict[str, float],
    left: dict[str, float],
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def last_wins(pool: Pool, candidates: list[Candidate], *_: Any) -> InnerSplit:
        return InnerSplit(
            tuple(candidates[:2]),
            (0.1, 0.9)[: len(candidates)],
            (0.5,) * len(candidates[:2]),
            len(pool),
            is_frozen=False,
        )

    plain = (Candidate("random"), Candidate("random", {"noise": 0.3}))
    monkeypatch.setattr(inner, "compared", last_wins)
    monkeypatch.setattr(plugins.load("strategies", "auto"), "candidates", lambda _: plain)
    raw = settings(model={"freeze": "all"}, select={"strategy": "auto", "budget": 0.25, "filter": own})
    with caplog.at_level("INFO", "tithe"):
        result = entry.select(raw)
    assert result.decided.filter.model_dump(exclude_none=True) == left
    assert len(result.rounds[0]["evidence"]["accuracies"]) == (1 if "noise" in own else 2), "not the same twice"
    assert caplog.text.count("filter noise left out") == 1


def test_filters_of_inner_splits_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "tithe"):
        compared(noisy_pool(60, 0.0), (Candidate("random", {"noise": 0.3}),), config.Select(budget=0.1), 0, False)
    assert "left out" not in caplog.text


def test_too_few_rows_for_an_inner_split_are_one_line() -> None:
    with pytest.raises(InputError, match="auto compares strategies on 5 parts of the rows, and there are 9: choose"):
        compared(noisy_pool(9, 0.0), (Candidate("random"),), config.Select(strategy="auto"), 0, is_frozen=True)


def test_a_class_whose_only_row_is_held_out_counts_as_missed() -> None:
    pool = noisy_pool(41, 0.0)
    labels = np.array([*pool.labels[:-1], 2])  # the last class, so that the others know of two classes alone
    signals = {"embeddings": pool.embeddings, "probs": np.full((41, 3), 1 / 3)}
    found = compared(
        Pool.of(labels, np.arange(41), signals), (Candidate("random"),), config.Select(budget=0.3), 0, is_frozen=True
    )
    assert found.held_out == 41 and found.accuracies[0] <= 40 / 41 and found.losses[0] < 10
