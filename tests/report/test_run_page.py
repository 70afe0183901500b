"""The page that a run ends with."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from support.texts import make_texts, write_rows
from tithe import config, pipeline

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def trained(settings: Callable[..., dict[str, object]], tmp_path: Path) -> Callable[..., tuple[Path, str]]:
    """Train on classes with hostile names; return the run directory and its page."""

    def run(**sections: object) -> tuple[Path, str]:
        texts, names = make_texts(20, classes=3)
        hostile = {"sport": HOSTILE, "space": "a & b", "кухня": "кухня"}
        path = write_rows(tmp_path / "<i>rows & co.parquet", texts, [hostile[name] for name in names])
        raw = settings(**{**sections, "data": {"path": str(path), **sections.get("data", {})}})
        raw["train"]["epochs"] = 1
        home = pipeline.train(config.parse(raw)).home
        return home, (home / "report.html").read_text(encoding="utf-8")

    return run


def test_the_page_holds_the_numbers_and_needs_no_other_file(trained: Callable[..., tuple[Path, str]]) -> None:
    home, page = trained()
    scores = json.loads((home / "metrics.json").read_text())
    for part in ("validation", "test"):
        for name in ("accuracy", "f1", "auc_roc", "auc_pr", "loss", "calibration_error"):
            assert f"{scores[part][name]:.4f}" in page
    for row in scores["test"]["per_class"]:
        assert f"<td>{html.escape(row['class'])}</td><td class=n>{row['precision']:.4f}</td>" in page
    assert scores["training"]["final_weights_sha256"] in page
    assert scores["training"]["split_sha256"] in page
    assert "No rows were held out" not in page
    data = json.loads((home / "data_report.json").read_text())
    near, seen = data["near_duplicates"], data["splits"]["near_copies_in_train"]
    assert f">{near['rows']} rows in {near['groups']} groups<" in page
    assert f">{seen['val']} of validation, {seen['test']} of test<" in page

    links = re.findall(r"""\b(?:src|href|action|data|poster)\s*=\s*["']?([^"'\s>]+)""", page)
    assert len(links) == 6 and all(link.startswith("data:image/png;base64,") for link in links)
    style = page[page.index("<style>") : page.index("</style>")]
    assert not re.search(r"@import|url\(", style) and "<script" not in page and "<link" not in page


def test_the_page_escapes_what_comes_from_the_data(trained: Callable[..., tuple[Path, str]]) -> None:
    _, page = trained()
    assert HOSTILE not in page and "<i>rows" not in page
    assert html.escape(HOSTILE) in page and "a &amp; b" in page and "кухня" in page
    assert "&lt;i&gt;rows &amp; co.parquet" in page


def test_the_page_of_a_run_without_test_rows_says_so(trained: Callable[..., tuple[Path, str]]) -> None:
    home, page = trained(data={"test_ratio": 0.0})
    scores = json.loads((home / "metrics.json").read_text())
    assert "test" not in scores and not (home / "test").exists()
    assert "No rows were held out for a test: the validation rows chose the best epoch" in page
    assert "validation accuracy" in page and f"{scores['validation']['accuracy']:.4f}" in page
