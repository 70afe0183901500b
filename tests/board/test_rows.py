"""What is said of runs, suites and searches: finished, under way, half-written, damaged, and of somebody else."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.boards import DAMAGED, add, copied, step
from support.comparisons import edit
from tithe import storage
from tithe.board.runs import read_run
from tithe.board.suites import read_search, read_suite
from tithe.compare import compare_runs


@pytest.mark.parametrize("name", DAMAGED)
def test_whatever_is_in_a_run_it_is_a_row(name: str, trained: Path, tmp_path: Path) -> None:
    damage, state, problem = DAMAGED[name]
    damage(home := copied(trained, tmp_path / "run"))
    row = read_run(home)
    said = str(row.problem)
    assert row.state == state and problem in said and bool(said) == bool(problem or state == "broken")
    assert "\n" not in said
    json.dumps(row.as_json(), allow_nan=False)


def test_a_row_says_what_a_comparison_says(trained: Path, tmp_path: Path) -> None:
    other = copied(trained, tmp_path / "other", train__learning_rate=0.5, name="ann")
    row, [_, compared] = read_run(other), compare_runs([trained, other]).runs
    facts = row.facts
    assert row.settings == compared.files.settings and row.settings["train.learning_rate"] == 0.5
    assert (facts["score"], facts["validation"]) == (compared.files.score, compared.score("best_val_score"))
    assert facts["test"] == compared.score("test_score") and facts["seconds"] == compared.seconds
    assert [facts[name] for name in ("epochs", "planned", "steps")] == [2, 2, compared.effort.steps]
    assert facts["freeze"] == "proven" and row.label == "ann" and row.has == ("curves", "report")


def test_a_run_under_way(trained: Path, tmp_path: Path) -> None:
    home = copied(trained, tmp_path / "20260101-000000", name="mine", train__epochs=9)
    (home / "metrics.json").unlink()
    last = storage.read_lines(home / "history.jsonl")[-1]["step"]
    add(home, step(last + 1, 0.25))
    with storage.locked(home):
        row = read_run(home)
        assert row.state == "running" and row.name == "mine"
        assert [row.facts[name] for name in ("epochs", "planned", "steps", "loss")] == [2, 9, last + 1, 0.25]
        checks = [r["f1"] for r in storage.read_lines(home / "history.jsonl") if r["kind"] == "val"]
        assert row.facts["validation"] == max(checks) and row.facts["test"] is None
        (home / "data_report.json").unlink()
        assert (read_run(home).state, read_run(home).problem) == ("running", "")
    assert read_run(home).state == "stopped"


# What is done to a frozen run, and what the board says of its proof.
VERDICTS: dict[str | None, Callable[[Path], object]] = {
    "proven": lambda home: None,
    "broken": lambda home: edit(home / "metrics.json", lambda metrics: metrics["freeze"].update(holds=False)),
    "unproven": lambda home: (home / "freeze_proof.json").unlink(),
    "none": lambda home: edit(home / "config.json", lambda settings: settings["model"].update(freeze="none")),
    None: lambda home: (home / "metrics.json").unlink(),
}


@pytest.mark.parametrize("verdict", VERDICTS)
def test_the_verdict_of_a_proof(verdict: str | None, trained: Path, tmp_path: Path) -> None:
    VERDICTS[verdict](home := copied(trained, tmp_path / "run"))
    assert read_run(home).facts["freeze"] == verdict


def standing(strategy: str, accuracy: float, budget: float = 0.1) -> dict[str, Any]:
    return {"strategy": strategy, "budget": budget, "accuracy": {"mean": accuracy}, "share_of_all": accuracy}


def test_a_suite_names_its_best_strategy_and_random_rows(tmp_path: Path) -> None:
    (tmp_path / "trials").mkdir()
    (tmp_path / "trials/d2-0.1-0-0123456789ab.json").touch()
    assert read_suite(tmp_path).state == "stopped" and read_suite(tmp_path).facts == {"trials": 1}
    lines = [standing("all", 0.99), standing("d2", 0.9), standing("random", 0.8), standing("random", 0.85, 0.5)]
    storage.write_json(tmp_path / "suite.json", {"standings": lines})
    facts = read_suite(tmp_path).facts
    assert (facts["strategy"], facts["test"], facts["random"], facts["trials"]) == ("d2", 0.9, 0.8, 1)
    storage.write_json(tmp_path / "suite.json", {"standings": [{}]})
    assert read_suite(tmp_path).state == "broken"


def test_a_search_counts_its_trials(tmp_path: Path) -> None:
    (tmp_path / "tuning").mkdir()
    # Optuna's journal: the states are running, finished and pruned.
    storage.write_lines(tmp_path / "tuning/journal.log", [{"op_code": 6, "state": state} for state in (0, 1, 2)])
    with storage.locked(tmp_path, shared=True):
        assert read_search(tmp_path).state == "running"
    assert read_search(tmp_path).state == "stopped" and read_search(tmp_path).facts == {"trials": 2}
    best = {"val_loss": 0.5, "values": {"train": {"learning_rate": 0.1}}}
    found = {"tune": {"metric": "val_loss", "trials": 3}, "best": best, "trials": [best] * 3, "seconds": 2.0}
    storage.write_json(tmp_path / "tuning.json", found)
    row = read_search(tmp_path)
    assert row.state == "finished" and row.settings == {"train.learning_rate": 0.1}
    assert (row.facts["score"], row.facts["validation"], row.facts["planned"]) == ("loss", 0.5, 3)


def test_numbers_that_json_lacks_and_long_texts(trained: Path, tmp_path: Path) -> None:
    home = copied(trained, tmp_path / "run", name="n" * 999)
    edit(home / "metrics.json", lambda m: m.update(test_score=float("nan"), best_val_score=float("inf")))
    row = read_run(home).as_json()
    assert row["facts"]["test"] is None and row["facts"]["validation"] is None and len(row["label"]) < 400
