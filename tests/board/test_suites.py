"""The row of a suite: the best strategy, beside as many random rows."""

from __future__ import annotations

from pathlib import Path

from tithe import storage
from tithe.board import suites


def line(strategy: str, budget: float, accuracy: float) -> dict[str, object]:
    return {"strategy": strategy, "budget": budget, "accuracy": {"mean": accuracy}, "share_of_all": accuracy}


def test_the_best_is_of_those_that_choose_and_random_rows_stand_beside_it(tmp_path: Path) -> None:
    standings = [line("all", 1.0, 0.9), line("random", 0.1, 0.8), line("d2", 0.1, 0.7), line("omp", 0.05, 0.6)]
    storage.write_json(tmp_path / "suite.json", {"standings": standings})
    facts = suites.read_suite(tmp_path).facts
    assert (facts["strategy"], facts["test"], facts["random"]) == ("d2", 0.7, 0.8)


def test_a_suite_of_random_rows_alone_has_no_best(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "suite.json", {"standings": [line("all", 1.0, 0.9), line("random", 0.1, 0.8)]})
    assert "strategy" not in suites.read_suite(tmp_path).facts
