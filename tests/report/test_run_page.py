"""The page that a run ends with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from support.pages import HOSTILE, Page, english_in
from support.texts import make_texts, write_rows
from tithe import config, pipeline, storage
from tithe.report import run_page


@pytest.fixture
def trained(settings: Callable[..., dict[str, object]], tmp_path: Path) -> Callable[..., tuple[Path, Page]]:
    """Train on classes with hostile names; return the run directory and its page."""

    def run(**sections: object) -> tuple[Path, Page]:
        texts, names = make_texts(20, classes=3)
        hostile = {"sport": HOSTILE, "space": "snake_case", "кухня": "кухня"}
        path = write_rows(tmp_path / f"{HOSTILE}.parquet", texts, [hostile[name] for name in names])
        raw = settings(**{**sections, "data": {"path": str(path), **sections.get("data", {})}})
        raw["train"]["epochs"] = 1
        home = pipeline.train(config.parse(raw)).home
        return home, read(home)

    return run


def read(home: Path) -> Page:
    html = (home / "report.html").read_text(encoding="utf-8")
    assert english_in(html) == []
    return Page(html)


def cut_of(tokens: dict[str, dict[str, int]]) -> str:
    names = {"train": "training", "val": "validation", "test": "test"}
    assert all(tokens[part]["texts_cut"] == 0 < tokens[part]["texts"] for part in names)
    return "; ".join(
        f"{name}: 0 of {tokens[part]['texts']} texts (0.0 %), 0.0 % of the tokens" for part, name in names.items()
    )


@pytest.mark.usefixtures("drawn")
def test_the_page_holds_the_numbers_and_needs_no_other_file(trained: Callable[..., tuple[Path, Page]]) -> None:
    home, page = trained()
    scores = json.loads((home / "metrics.json").read_text())
    parts = [scores["test"], scores["validation"]]
    for name, label in ((name, str(label)) for name, label in run_page._SCORES.items() if name in scores["test"]):
        shown = [str(part[name]) if name == "rows" else f"{part[name]:.4f}" for part in parts]
        assert [label, *shown] in page.rows
    matrix = scores["test"]["confusion_matrix"]
    for c, row in enumerate(scores["test"]["per_class"]):
        shown = [f"{row[name]:.4f}" for name in ("precision", "recall", "f1")]
        missed, taken = sum(matrix[c]) - matrix[c][c], sum(line[c] for line in matrix) - matrix[c][c]
        assert [row["class"], *shown, str(row["rows"]), str(missed), str(taken)] in page.rows
        assert [row["class"], *(str(count or "") for count in matrix[c])] in page.rows
    assert ["final weights, SHA-256", scores["training"]["final_weights_sha256"]] in page.rows
    assert ["split, SHA-256", scores["training"]["split_sha256"]] in page.rows
    assert "No rows were held out" not in page.text
    data = json.loads((home / "data_report.json").read_text())
    near, seen = data["near_duplicates"], data["splits"]["near_copies_in_train"]
    assert ["near copies", f"{near['rows']} rows in {near['groups']} groups"] in page.rows
    assert ["near copies of training rows", f"{seen['val']} of validation, {seen['test']} of test"] in page.rows
    assert ["training rows", str(data["splits"]["train"])] in page.rows
    assert ["cut at 32 tokens", cut_of(data["tokens"])] in page.rows
    assert len(page.images) == 6


def test_the_page_escapes_what_comes_from_the_data(trained: Callable[..., tuple[Path, Page]]) -> None:
    home, page = trained()
    assert f"bert0 on {HOSTILE}.parquet" in page.text
    assert sum(row[0] == HOSTILE for row in page.rows) == 3  # of the matrix, the classes, and the rows of every class
    assert {"кухня", "snake_case"} <= {row[0] for row in page.rows}
    storage.write_json(home / "config.json", {**storage.read_json(home / "config.json"), "name": HOSTILE})
    run_page.write(home)
    assert read(home).text.strip().startswith(HOSTILE)


def test_the_page_of_a_run_without_test_rows_says_so(trained: Callable[..., tuple[Path, Page]]) -> None:
    home, page = trained(data={"test_ratio": 0.0})
    scores = json.loads((home / "metrics.json").read_text())
    assert "test" not in scores and not (home / "test").exists()
    assert "No rows were held out for a test: the validation rows chose the best epoch" in page.text
    assert "validation accuracy" in page.text and ["accuracy", f"{scores['validation']['accuracy']:.4f}"] in page.rows


def test_the_page_shows_what_a_selection_kept(trained: Callable[..., tuple[Path, Page]]) -> None:
    home, page = trained(select={"strategy": "random", "budget": 0.5})
    summary = json.loads((home / "selection.json").read_text())
    assert f"random chose {summary['rows']} of {summary['pool']} rows" in page.text
    assert ["training rows selected", str(summary["rows"])] in page.rows and len(page.images) == 7
