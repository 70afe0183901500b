"""The page of a suite."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure
from PIL import Image

from support.pages import HOSTILE, Page, english_in
from support.suites import trial
from tithe.report.palette import VERMILION
from tithe.report.words import Phrase, in_english
from tithe.select.suite import page, standings, table
from tithe.select.suite.grid import Grid
from tithe.select.suite.page import draw_budgets, write_page

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


def written(folder: Path, lines: list[dict[str, Any]], training: str | Phrase = "so long") -> Page:
    write_page(folder, lines, training, f"bert on {HOSTILE}, 3 seeds", HOSTILE)
    return Page((folder / "suite.html").read_text(encoding="utf-8"))


def test_the_page_shows_the_table_and_needs_no_other_file(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    page = written(tmp_path, lines)
    rows, wide = page.rows, [[in_english(cell) for cell in row] for row in (table.HEAD, *map(table.cells, lines))]
    for place, row in enumerate(wide):  # in two tables, since one is wider than the page
        assert rows[place][0] == rows[place + len(wide)][0] == row[0]
        assert {*rows[place], *rows[place + len(wide)]} == set(row)
    assert len(rows) == 2 * len(wide)
    with Image.open(tmp_path / "suite.png") as picture:
        assert picture.format == "PNG" and picture.width > 600


def test_the_page_escapes_names(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    page = written(tmp_path, lines)
    assert f"bert on {HOSTILE}, 3 seeds" in page.text
    assert f"{HOSTILE} 10 %" in [row[0] for row in page.rows]


def test_the_page_names_what_differs_from_random_beyond_chance(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    text = " ".join(written(tmp_path, lines).text.split())
    assert f"Better than random beyond chance: {HOSTILE} 10 %. Worse: k_center 10 %. The p of each" in text
    assert "corrected for all 3 by Holm's method" in text and "0.2 of them would seem to differ by luck alone" in text


def test_a_p_that_the_correction_raises_to_five_percent_is_chance(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    for line in lines:
        if line["strategy"] == HOSTILE:
            line["against_random"] |= {"p": 0.03, "p_holm": 0.06}
    text = " ".join(written(tmp_path, lines).text.split())
    assert "Better than random beyond chance: none. Worse: k_center 10 %." in text


def test_several_budgets_are_drawn_against_the_accuracy(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert len(written(tmp_path, lines).images) == 1 and not (tmp_path / "suite_budgets.png").exists()
    more = [{**line, "budget": 0.3} for line in lines if line["strategy"] != "all"]
    page = written(tmp_path, [*lines, *more])
    assert [image["alt"] for image in page.images] == [
        "accuracy of each strategy",
        "accuracy of each strategy by budget and by seconds",
    ]
    with Image.open(tmp_path / "suite_budgets.png") as picture:
        assert picture.format == "PNG" and picture.width > 900


def test_the_figure_of_budgets_has_each_strategy_and_its_intervals(
    monkeypatch: pytest.MonkeyPatch, lines: list[dict[str, Any]]
) -> None:
    drawn: list[Figure] = []
    monkeypatch.setattr(page, "png", lambda figure: drawn.append(figure) or b"")
    draw_budgets(sorted([*lines, {**lines[0], "budget": 0.3}], key=lambda line: line["budget"]))
    axes, (legend,) = drawn[0].axes[0], drawn[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["all rows", *sorted(ACCURACIES)]
    bars = {bar.get_label(): bar for bar in axes.containers}
    for line in lines:
        if line["strategy"] != "all":
            points, _, (segments,) = bars[line["strategy"]]
            mean, half = line["accuracy"]["mean"], line["accuracy"]["half_width"]
            assert points.get_ydata()[0] == pytest.approx(mean)
            assert segments.get_segments()[0][:, 1] == pytest.approx([mean - half, mean + half])
    colors = [bar[0].get_color() for bar in axes.containers]
    assert len(set(colors)) == 4 and bars["random"][0].get_color() == VERMILION
    assert [label.get_text() for label in axes.get_xticklabels()] == ["10 %\n10", "30 %\n10"]
    by_seconds = drawn[0].axes[1]
    assert {bar[0].get_xdata()[0] for bar in by_seconds.containers} == {2.5}, "1.5 of selection and 1 of training"


def test_the_page_gives_each_verdict_with_its_numbers(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    said = [line for line in written(tmp_path, lines).text.splitlines() if " against random, p by Holm " in line]
    assert len(said) == 3 and "k_center 10 %: worse than random (-0.1000 against random, p by Holm " in said[2]


def test_the_page_names_the_options_of_strategies(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert "Options:" not in written(tmp_path, lines).text
    for line in lines:
        if line["strategy"] == "el2n":
            line["options"] = {"drop_hardest": 0.2}
    assert "Options: el2n drop_hardest 0.2." in written(tmp_path, lines).text
    assert "Options: el2n drop_hardest 0.2." in table.text(lines, "so long")


@pytest.mark.parametrize("head", ["trained", "probe"])
@pytest.mark.parametrize("equal_steps", [True, False])
def test_the_page_says_how_trials_were_trained(
    tmp_path: Path, lines: list[dict[str, Any]], equal_steps: bool, head: str
) -> None:
    training = Grid([], [], [], equal_steps, head=head).training
    assert f"Training: {in_english(training)}." in written(tmp_path, lines, training).text


def test_the_page_in_russian_has_no_english_sentence(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    steps = {line["strategy"]: 10 * place for place, line in enumerate(lines)}
    results = [trial(name, 0, 0.9, budget, track="T0") for name, budget in (("all", 1.0), ("el2n", 0.1))]
    bought = standings.compute_standings([{**result, "controls": {"reader": {"accuracy": 0.8}}} for result in results])
    for shown in (lines, [{**line, "steps": steps[line["strategy"]]} for line in lines], bought):
        written(tmp_path, shown, Grid([], [], []).training)
        html = (tmp_path / "suite.html").read_text(encoding="utf-8")
        assert english_in(html.replace(f"bert on {HOSTILE}", "")) == []
        russian = Page(html, "ru").text
        assert all(sentence.text("ru") in russian for sentence in (*table.verdicts(shown), *table.notes(shown)))


def test_files_of_a_suite_are_english_in_any_language(
    tmp_path: Path, lines: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    training = Grid([], [], []).training
    before = standings.as_json(lines), table.text(lines, training)
    monkeypatch.setenv("TITHE_LANG", "ru")
    assert before == (standings.as_json(lines), table.text(lines, training))
    words = {
        line["strategy"]: line["verdict"] and line["verdict"]["words"] for line in json.loads(json.dumps(before[0]))
    }
    assert words["k_center"] == "worse than random" and words["all"] is None


def test_the_page_says_whether_steps_were_equal(tmp_path: Path, lines: list[dict[str, Any]]) -> None:
    assert "All took 5 optimizer steps, and random rows stand beside all rows." in written(tmp_path, lines).text
    lines[0]["steps"] = 50
    page = written(tmp_path, lines)
    assert "took different numbers of optimizer steps" in page.text and "All took" not in page.text
