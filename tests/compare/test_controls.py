"""A selection is judged against as many random rows, and against all rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from support.comparisons import edit, kinds, noted, train
from support.pages import Page
from support.texts import make_texts, write_rows
from tithe.compare import compare_runs
from tithe.compare import page as comparison_page

CONTROLS = {"random", "all"}
SELECTED = {
    "all": {"select": {"strategy": "all"}},
    "random": {"select": {"strategy": "random", "budget": 0.2}},
    "rich": {"select": {"strategy": "lexical_diversity", "budget": 0.2}},
    "rich_long": {"select": {"strategy": "lexical_diversity", "budget": 0.2}, "train": {"epochs": 10}},
    "random_long": {"select": {"strategy": "random", "budget": 0.2}, "train": {"epochs": 10}},
}


@pytest.fixture(scope="session")
def selected(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs on all rows, on random ones and on chosen ones, for as many epochs and for as many steps."""
    folder = tmp_path_factory.mktemp("selected")
    rows = write_rows(tmp_path_factory.mktemp("rows") / "rows.parquet", *make_texts(80))
    for name, sections in SELECTED.items():
        train(folder / name, rows, tiny_bert, sections)
    return folder


def test_a_fifth_for_as_many_epochs_is_a_fifth_of_the_steps(selected: Path) -> None:
    found = compare_runs([selected / name for name in ("all", "random", "rich")])
    assert [run.effort.steps for run in found.runs] == [20, 4, 4]
    assert kinds(found, "random") == kinds(found, "rich") == {"steps", "rows"}
    assert noted(found, "steps")[0].startswith("random, rich: took 4 optimizer steps, all 20: part of any difference")


def test_a_fair_comparison_has_nothing_against_it(selected: Path, tmp_path: Path) -> None:
    found = compare_runs([selected / name for name in ("all", "random_long", "rich_long")])
    assert [run.effort.steps for run in found.runs] == [20, 20, 20]
    assert kinds(found, "all") | kinds(found, "random_long") | kinds(found, "rich_long") == set()
    comparison_page.write_page(found, tmp_path / "page.html")
    page = Page((tmp_path / "page.html").read_text(encoding="utf-8"))
    cells = {row[0]: row[1:] for row in page.rows}
    assert cells["optimizer steps"] == ["20"] * 3 and cells["rows seen"] == ["160"] * 3
    assert len(cells["wall time"]) == 3


@pytest.mark.parametrize(
    ("names", "lacking"),
    [
        (["all", "rich"], {"random"}),
        (["random", "rich"], {"all"}),
        (["rich", "rich_long"], {"random", "all"}),
        (["random", "random_long"], {"all"}),
        (["all", "random", "rich"], set()),
    ],
)
def test_a_selection_without_its_controls_is_noted(selected: Path, names: list[str], lacking: set[str]) -> None:
    found = compare_runs([selected / name for name in names])
    assert {note.kind for note in found.notes} & CONTROLS == lacking


def copied(home: Path, folder: Path) -> Path:
    """Copy what a comparison reads of a run, to be changed: without the manifest, which would tell."""
    return shutil.copytree(
        home, folder / "other", ignore=shutil.ignore_patterns("checkpoints", "assets", "manifest.json")
    )


def test_a_selection_differs_from_a_run_that_knows_of_none(selected: Path, tmp_path: Path) -> None:
    home = copied(selected / "all", tmp_path)
    edit(home / "config.json", lambda config: config.update(select=None))
    found = compare_runs([home, selected / "rich_long"])
    assert found.factors["select.strategy"] == ["all", "lexical_diversity"]
    assert sorted(found.runs[1].differing) == ["select.strategy", "train.epochs"]
    assert kinds(found, "rich_long") == {"random"}
    assert compare_runs([home, selected / "all"]).factors == {}


def test_the_cure_is_a_command(selected: Path) -> None:
    found = compare_runs([selected / "rich", selected / "rich_long"])
    assert noted(found, "random") == [
        "rich, rich_long: no run on random rows of the same budget (0.2) and seed (0) beside it: the strategy is not "
        "proven better than chance; train it: tithe train CONFIG --set select.strategy=random --out DIR"
    ]
    assert noted(found, "all")[0].endswith("tithe train CONFIG --set select.strategy=all --out DIR")


@pytest.mark.parametrize("section, key, value", [("select", "budget", 0.1), (None, "seed", 5)])
def test_random_rows_of_another_budget_or_seed_are_no_control(
    selected: Path, tmp_path: Path, section: str | None, key: str, value: float
) -> None:
    home = copied(selected / "random", tmp_path)
    edit(home / "config.json", lambda config: (config[section] if section else config).update({key: value}))
    found = compare_runs([selected / "all", home, selected / "rich"])
    assert [note.runs for note in found.notes if note.kind == "random"] == [("rich",)]


def test_runs_on_all_rows_need_no_control(made: Path, selected: Path) -> None:
    for homes in ([made / "base", made / "lame"], [selected / "all", made / "base"]):
        assert not {note.kind for note in compare_runs(homes).notes} & CONTROLS
