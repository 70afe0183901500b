"""Rows left out before the choice: which, how many, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from support.pools import pool
from support.texts import make_texts, write_rows
from tithe import config, storage
from tithe.errors import InputError
from tithe.select import choose, explain_row
from tithe.select.buying.tracks import check_track
from tithe.select.entry import select_rows
from tithe.select.filters import filtered, reason
from tithe.select.pool import Pool
from tithe.select.rescore import Rescore
from tithe.select.rounds import History, choose_round
from tithe.select.settings import fingerprint, overridden
from tithe.select.signals import gather
from tithe.select.suite import trials
from tithe.select.suite.options import by_strategy
from tithe.tune import search

Tithe = Callable[..., tuple[Any, str, list[str]]]

DATA = config.Data(path="rows.parquet")


def settings(budget: float = 0.1, strategy: str = "random", rounds: int = 1, **filters: float) -> config.Select:
    return config.Select(strategy=strategy, budget=budget, rounds=rounds, filter=config.Filter(**filters))


def test_noise_is_the_least_likely_share_of_each_class() -> None:
    labels_N = np.repeat([0, 1, 2], [10, 5, 1])
    likely_N = np.array([*np.linspace(0.9, 0, 10), 0.5, 0.1, 0.1, 0.7, 0.8, 0.0])
    probs_NC = np.full((16, 3), 0.0)
    probs_NC[np.arange(16), labels_N] = likely_N
    left = filtered(Pool.of(labels_N, np.arange(16) * 10, {"probs": probs_NC}), settings(noise=0.3))
    assert left.left_out["noise"].tolist() == [7, 8, 9, 12]  # of equals the last; one row of a class stays
    assert left.pool.ids.tolist() == [row * 10 for row in range(16) if row not in (7, 8, 9, 12)]


def test_copies_are_left_out_after_noise(caplog: pytest.LogCaptureFixture) -> None:
    X_ND = np.repeat(np.eye(4, dtype=np.float32), 3, axis=0)
    probs_NC = np.full((12, 1), 0.9)
    probs_NC[[0, 4]] = 0.1
    whole = Pool.of(np.zeros(12, dtype=np.int64), np.arange(12), {"probs": probs_NC, "embeddings": X_ND})
    with caplog.at_level("INFO", "tithe"):
        left = filtered(whole, settings(noise=0.2, duplicates=0.95))
        left.log()
    assert left.left_out["noise"].tolist() == [0, 4]
    assert left.kept.tolist() == [1, 3, 6, 9]  # the first copies that stayed
    assert "filter noise left out 2 of 12 rows" in caplog.text
    assert "filter duplicates left out 6 of 12 rows" in caplog.text
    assert reason(whole, left.left_out, ("a",), 2) == (
        "row 2 (class a) was left out by the duplicates filter: it is a copy of row 1, at a cosine similarity of 1.0000"
    )
    assert reason(whole, left.left_out, ("a",), 4) == (
        "row 4 (class a) was left out by the noise filter: a model that did not see it gives its label a probability "
        "of 0.1000; rows of its class stay from 0.9000"
    )
    assert reason(whole, left.left_out, ("a",), 1) is None


@pytest.mark.parametrize(("strategy", "rounds"), [("random", 1), ("k_center", 1), ("random", 3)])
def test_the_budget_is_a_share_of_the_whole_pool_and_quotas_count_what_is_left(strategy: str, rounds: int) -> None:
    whole, history = pool(), History.empty()
    left = filtered(whole, settings(0.25, strategy, rounds, noise=0.3))
    for _ in range(rounds):
        history = choose_round(left.pool, left.settings, 0, history)
    selection = left.whole(history.selection())
    assert len(selection) == 30 and not set(selection.rows) & set(left.left_out["noise"])
    share_C = np.bincount(left.pool.labels) / len(left.pool)
    assert (np.abs(np.bincount(whole.labels[selection.rows]) - 30 * share_C) < 1).all()


def test_a_rest_smaller_than_the_budget_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        filtered(pool(), settings(0.8, noise=0.3))
    assert str(caught.value) == (
        "select.filter leaves 85 of 120 rows, fewer than the 96 of select.budget 0.8: lower the budget, or leave out "
        "fewer rows"
    )
    assert len(filtered(pool(), settings(0.8, "all", noise=0.3)).pool) == 85


def test_track_t0_has_no_labels_to_filter_by() -> None:
    with pytest.raises(InputError, match=r"select\.filter\.noise 0\.3 reads all labels, and track T0 only those"):
        check_track(config.Select(track="T0", strategy="random", filter=config.Filter(noise=0.3)))
    check_track(config.Select(track="T0", strategy="random", filter=config.Filter(duplicates=0.9)))
    signals = {"embeddings": np.ones((6, 2))}
    unlabelled = Pool.of(None, np.arange(6), signals)
    assert filtered(unlabelled, config.Select(track="T0", filter=config.Filter(duplicates=0.9))).kept.tolist() == [0]


@pytest.mark.parametrize("strategy", ["middle", "moderate", "drop"])
def test_track_t0_has_no_labels_for_strategies_that_read_them(strategy: str) -> None:
    with pytest.raises(InputError, match=f"{strategy} reads the labels of all rows: choose a strategy for"):
        check_track(config.Select(track="T0", strategy=strategy, rounds=2))


def test_only_a_filter_that_is_set_is_part_of_what_must_match() -> None:
    plain = config.Select(budget=0.2)
    assert (
        "filter" not in fingerprint(plain, DATA) and "filter" not in config.Select(filter=config.Filter()).model_dump()
    )
    noisy = overridden(plain, {"filter": {"noise": 0.3}}, {}, "test")
    assert fingerprint(noisy, DATA) == {**fingerprint(plain, DATA), "filter": {"noise": 0.3}}
    assert overridden(noisy, {"budget": 0.3}, {}, "test").filter.noise == 0.3


def test_a_filter_uses_the_settings_of_its_signals(caplog: pytest.LogCaptureFixture) -> None:
    gather.warn_unused(config.Select(folds=3, filter=config.Filter(noise=0.3)), DATA)
    assert caplog.text == ""
    gather.warn_unused(config.Select(folds=3), DATA)
    assert "select.folds 3 has no effect" in caplog.text


def test_a_search_uses_all_rows() -> None:
    raw = {"data": {"path": "rows.parquet"}, "tune": {}, "select": {"strategy": "all", "filter": {"noise": 0.3}}}
    with pytest.raises(InputError, match=r"but select\.filter leaves some out: remove one of the two"):
        search.check(config.parse(raw))


def test_a_selection_says_what_was_left_out(tiny_bert: Path, tmp_path: Path, tithe: Tithe) -> None:
    texts, labels = make_texts(30)
    path, out = write_rows(tmp_path / "rows.parquet", texts, labels), tmp_path / "picks.parquet"
    asked = [
        "select",
        path,
        "--out",
        out,
        "--encoder",
        tiny_bert,
        "--max-length",
        32,
        "--strategy",
        "entropy_diversity",
    ]
    filters = ["--set", "select.filter.noise=0.3", "--set", "select.filter.duplicates=0.9999"]
    code, said, err = tithe(*asked, *filters, *[f"--explain={row}" for row in range(60)])
    assert code == 0, err
    written = storage.read_json(out.with_suffix(".json"))
    assert written["left_out"]["noise"] == 18 and written["settings"]["filter"] == {"noise": 0.3, "duplicates": 0.9999}
    assert (written["rows"], written["pool"]) == (6, 60)
    assert said.count("was left out by the noise filter") == 18 and said.count("was chosen: rank") == 6
    assert said.count("was not chosen: ") == 36 - written["left_out"]["duplicates"]


def test_rounds_choose_among_what_is_left_and_go_on_with_it(
    tiny_bert: Path, rows: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained_on: list[list[int]] = []

    def recorded(*setup: Any) -> Rescore:
        rescore = rescore_of(*setup)
        return lambda rows, weights: trained_on.append(rows.tolist()) or rescore(rows, weights)

    rescore_of = choose._rescore
    monkeypatch.setattr(choose, "_rescore", recorded)
    of_file = {"encoder": str(tiny_bert), "max_length": 32}
    choice = {"strategy": "entropy_diversity", "budget": 0.2, "rounds": 2}
    once, again = (select_rows(rows, of_file, ["select.filter.noise=0.3"], (choice, {}), None) for _ in range(2))
    left_out = once.left_out["noise"]
    assert len(left_out) == 36 and len(once.selection) == 24 and not set(left_out) & set(once.selection.rows)
    assert (once.selection.rows == again.selection.rows).all() and once.rounds == again.rounds
    assert list(map(sorted, trained_on)) == [once.selection.rows[once.selection.round == 0].tolist()]
    said = [explain_row(once, row) for row in range(120)]
    assert sum("was chosen: rank" in line for line in said) == 24
    assert sum("left out by the noise filter" in line for line in said) == 36
    plain = select_rows(rows, of_file, [], (choice, {}), None)
    assert plain.left_out == {} and plain.rounds[0]["history"] != once.rounds[0]["history"]


def test_the_baseline_of_a_suite_is_all_rows() -> None:
    run = config.parse({"data": {"path": "rows.parquet"}, "select": {"filter": {"noise": 0.3}}})
    suite = trials._Suite(*by_strategy(run, ["all", "random"], {}), True)
    shares = [suite.settings(trials.Trial(name, 0.1, 0)).filter.noise for name in ("all", "random")]
    assert shares == [None, 0.3]
