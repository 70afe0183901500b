"""The page of a suite."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.pages import HOSTILE, Page
from support.suites import trial
from tithe.select.suite import standings
from tithe.select.suite.page import write_page

pytestmark = pytest.mark.usefixtures("real_figures")

ACCURACIES = {
    "random": [0.70, 0.71, 0.72],
    HOSTILE: [0.80, 0.82, 0.81],
    "k_center": [0.60, 0.62, 0.61],
    "el2n": [0.70, 0.73, 0.70],
}


@pytest.fixture
def lines() -> list[dict[str, Any]]:
    """Standings of a strategy that is better than random, one that is worse, and one that is neither."""
    results = [trial("all", seed, 0.9, budget=1.0) for seed in range(3)]
    results += [trial(name, seed, a) for name, row in ACCURACIES.items() for seed, a in enumerate(row)]
    return standings.compute_standings(results)


def written(folder: Path, lines: list[dict[str, Any]], equal_steps: bool = True) -> Page:
    write_page(folder, lines, equal_steps, f"bert on {HOSTILE}, 3 seeds")
    return Page((folder / "suite.html").read_text(encoding="utf-8"))


def test_the_page_shows_the_table_and_needs_no_other_file(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    page = written(tmp_path, lines)
    assert page.rows == [list(standings.HEAD), *(standings.cells(line) for line in lines)]
    with Image.open(tmp_path / "suite.png") as picture:
        assert picture.format == "PNG" and picture.width > 600


def test_the_page_escapes_names(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    page = written(tmp_path, lines)
    assert f"bert on {HOSTILE}, 3 seeds" in page.text
    assert f"{HOSTILE} 10 %" in [row[0] for row in page.rows]


def test_the_page_names_what_differs_from_random_beyond_chance(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    text = " ".join(written(tmp_path, lines).text.split())
    assert f"Better than random beyond chance: {HOSTILE} 10 %. Worse: k_center 10 %. Of 3 comparisons" in text
    assert "0.2 would seem to differ by luck alone" in text


@pytest.mark.parametrize("equal_steps", [True, False])
def test_the_page_says_when_epochs_were_equal(tmp_path: Path, lines: list[dict[str, Any]], equal_steps: bool) -> None:
    assert ("Trials had equal epochs" in written(tmp_path, lines, equal_steps).text) is not equal_steps


def test_the_page_says_whether_steps_were_equal(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert "All took 5 optimizer steps, and random rows stand beside all rows." in written(tmp_path, lines).text
    lines[0]["steps"] = 50
    page = written(tmp_path, lines)
    assert "took different numbers of optimizer steps" in page.text and "All took" not in page.text
