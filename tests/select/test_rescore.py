"""Rounds in a run: each scored by a model of the rounds before it, and gone on with where it stopped."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from tithe import config, pipeline, storage, tasks
from tithe.select import choose
from tithe.select.rescore import Rescore, rescore_with_model
from tithe.select.rounds import EMBEDDINGS
from tithe.select.settings import PREDICTIONS
from tithe.train import devices
from tithe.train.setup import open_setup

Settings = Callable[..., dict[str, Any]]


def test_a_budget_in_rounds_is_disjoint_exact_and_remembers_who_scored(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    asked = {"strategy": "entropy_diversity", "budget": 0.25, "rounds": 3}
    raw = settings(model={"freeze": "all"}, select=asked)
    with caplog.at_level("INFO", "tithe"):
        outcome = pipeline.train(config.parse(raw))
    table = pq.read_table(outcome.home / "selection.parquet").to_pylist()
    assert len({row["id"] for row in table}) == 24
    assert np.bincount([row["round"] for row in table]).tolist() == [8, 8, 8]
    by_rank = sorted(table, key=lambda row: row["rank"])
    assert [row["round"] for row in by_rank] == sorted(row["round"] for row in table), "earlier rounds rank first"
    recorded = storage.read_json(outcome.home / "selection.json")["rounds"]
    assert [r["strategy"] for r in recorded] == ["random", "entropy_diversity", "entropy_diversity"]
    assert recorded[0]["model_sha256"] is None and recorded[1]["model_sha256"] != recorded[2]["model_sha256"]
    assert "round 2 of 3: entropy_diversity, 16 rows so far" in caplog.text


@pytest.mark.parametrize(
    ("freeze", "strategy", "retrain"),
    [("all", "entropy_diversity", "fresh"), ("none", "k_center", "fresh"), ("none", "entropy_diversity", "warm")],
)
def test_a_choice_stopped_between_rounds_goes_on(
    freeze: str, strategy: str, retrain: str, settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked_for = {"strategy": strategy, "budget": 0.25, "rounds": 3, "retrain": retrain}
    raw = settings(model={"freeze": freeze}, train={"epochs": 1}, select=asked_for)
    whole = pipeline.train(config.parse({**raw, "out": str(tmp_path / "whole")}))
    monkeypatch.setenv("TITHE_CACHE", str(tmp_path / "cold"))
    asked: list[int] = []
    real = rescore_with_model

    def stopping(*arguments: Any) -> Rescore:
        rescore = real(*arguments)

        def once(rows: np.ndarray, weights: np.ndarray) -> Any:
            asked.append(len(rows))
            if asked == [8, 16]:
                raise KeyboardInterrupt
            return rescore(rows, weights)

        return once

    monkeypatch.setattr(choose, "rescore_with_model", stopping)
    with pytest.raises(KeyboardInterrupt):
        pipeline.train(config.parse(raw))
    resumed = pipeline.train(config.parse(raw))
    again = [8, 16] if retrain == "warm" else [16]  # a warm model is trained again, round by round
    assert asked == [8, 16, *again], "the first two rounds were not chosen again"
    tables = [pq.read_table(home / "selection.parquet").to_pylist() for home in (whole.home, resumed.home)]
    assert tables[0] == tables[1]
    assert resumed.scores["training"]["final_weights_sha256"] == whole.scores["training"]["final_weights_sha256"]


@pytest.mark.parametrize("freeze", ["all", "none"])
def test_the_model_between_rounds_computes_what_rounds_are_checked_for(freeze: str, settings: Settings) -> None:
    task = tasks.open_task(config.parse(settings(model={"freeze": freeze}, train={"epochs": 1})))
    setup = open_setup(task, task.load(), devices.accelerator("cpu", "no"))
    found = rescore_with_model(setup)(np.arange(16), np.ones(16))
    assert set(found.signals) == PREDICTIONS | (EMBEDDINGS if freeze == "none" else set())


def test_the_first_round_of_a_strategy_without_predictions_is_its_own(settings: Settings) -> None:
    chosen = {"strategy": "k_center", "budget": 0.25, "rounds": 2}
    home = pipeline.train(config.parse(settings(train={"epochs": 1}, select=chosen))).home
    recorded = storage.read_json(home / "selection.json")["rounds"]
    assert [(r["strategy"], r["rows"]) for r in recorded] == [("k_center", 12), ("k_center", 12)]


def test_one_round_is_no_round(settings: Settings, tmp_path: Path) -> None:
    hashes = []
    for name, more in (("plain", {}), ("one", {"rounds": 1, "first": "el2n"})):
        asked = {"strategy": "k_center", "budget": 0.25, **more}
        raw = settings(out=str(tmp_path / name), model={"freeze": "all"}, select=asked)
        hashes.append(pipeline.train(config.parse(raw)).scores["training"]["final_weights_sha256"])
    assert hashes[0] == hashes[1]


def test_a_round_that_was_changed_in_the_cache_is_chosen_again(settings: Settings, tmp_path: Path) -> None:
    asked = {"strategy": "entropy_diversity", "budget": 0.25, "rounds": 3}
    raw = settings(model={"freeze": "all"}, train={"epochs": 1}, select=asked)
    whole = pipeline.train(config.parse({**raw, "out": str(tmp_path / "whole")}))
    (second,) = (storage.cache_dir() / "rounds").glob("*/1.json")
    value = storage.read_json(second)
    value["history"]["rows"][:8] = range(8)
    storage.write_json(second, value)
    again = pipeline.train(config.parse(raw))
    tables = [pq.read_table(home / "selection.parquet").to_pylist() for home in (whole.home, again.home)]
    assert tables[0] == tables[1] and storage.read_sealed(second) is not None
