"""Why a strategy left the choice to another, on the page of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tithe import storage
from tithe.report import selection
from tithe.report.html import Table
from tithe.report.words import both, say
from tithe.storage import run_files

COMPARED = {
    "held_out": 1200,
    "candidates": [{"strategy": "random", "filter": []}, {"strategy": "random", "filter": ["noise"]}],
    "accuracies": {"random": 0.75, "random after filter noise": 0.5},
    "losses": {"random": 0.5, "random after filter noise": 1.0},
}
BOUGHT = {"bought": 40, "rows_per_class": 12.5, "accuracy": 0.625}
ROUNDS: dict[str, list[dict[str, Any]]] = {
    "compared": [{"strategy": "random", "rows": 9, "reason": "…", "evidence": COMPARED}],
    "bought": [
        {"strategy": "typiclust", "rows": 40, "reason": "…"},
        {"strategy": "mix", "rows": 60, "reason": "…", "evidence": BOUGHT},
    ],
    "own": [{"strategy": "margin", "rows": 9, "evidence": BOUGHT}],
}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / run_files.SELECTION_MAP).write_bytes(b"PNG")
    storage.write_json(tmp_path / run_files.SELECTION_POINTS, [])
    return tmp_path


def shown(home: Path, rounds: str) -> dict[str, Any]:
    summary = {"strategy": "auto", "rows": 9, "pool": 90, "seconds": {"choice": 1.5}, "rounds": ROUNDS[rounds]}
    storage.write_json(home / run_files.SELECTION_SUMMARY, summary)
    found = selection.shown(home)
    assert found is not None
    return found


def test_strategies_that_were_compared_are_shown_with_what_they_were_worth(home: Path) -> None:
    found = shown(home, "compared")
    why, table = found["why"].both, found["reasons"]
    assert why["en"].startswith("auto left the choice to random: what strategies were worth on 1,200 held-out rows")
    assert why["ru"].startswith("auto оставила выбор стратегии random: вот чего стоили стратегии на 1")
    filtered = say("{strategy} after filter {filters}", strategy="random", filters="noise")
    assert table.rows == [("random", 0.75, 0.5), (filtered, 0.5, 1.0)]
    assert both(filtered)["ru"] == "random после фильтра noise"


def test_rounds_are_shown_with_what_was_known_before_each(home: Path) -> None:
    table: Table = shown(home, "bought")["reasons"]
    assert table.rows == [("1", "typiclust", 40, None, None, None), ("2", "mix", 60, 40, 12.5, 0.625)]
    assert all(both(each)["en"] != both(each)["ru"] for each in table.head if not isinstance(each, str))


def test_a_strategy_that_chose_itself_gives_no_reasons(home: Path) -> None:
    assert shown(home, "own")["why"] is None


def test_what_picking_in_parts_costs_is_said_in_both_languages(home: Path) -> None:
    assert shown(home, "own")["parts"] is None
    error = {"in_parts": {"radius": 39.25, "cosine": 0.625}, "at_once": {"radius": 38.5, "cosine": 0.75}}
    summary = storage.read_json(home / run_files.SELECTION_SUMMARY) | {"parts": {"sample": 600, **error}}
    storage.write_json(home / run_files.SELECTION_SUMMARY, summary)
    found = selection.shown(home)
    assert found is not None
    said = both(found["parts"])
    assert "600" in said["en"] and "39.25" in said["en"] and "(38.5 if all" in said["en"]
    assert "600" in said["ru"] and "39.25" in said["ru"] and "0.6250 (0.7500)" in said["ru"]


def test_what_matching_in_parts_has_missed_is_said_in_both_languages(home: Path) -> None:
    assert shown(home, "own")["parts"] is None
    summary = storage.read_json(home / run_files.SELECTION_SUMMARY) | {"parts": {"mismatch": 0.0625}}
    storage.write_json(home / run_files.SELECTION_SUMMARY, summary)
    found = selection.shown(home)
    assert found is not None
    said = both(found["parts"])
    assert "by 0.0625 of what" in said["en"] and "на 0.0625 того" in said["ru"]
