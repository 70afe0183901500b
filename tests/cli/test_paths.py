"""Paths on the command line: `~`, the empty one, and outputs that can't be written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.mark.parametrize(
    "command",
    [("describe", "~/rows.parquet"), ("config", "show", "~/c.yaml"), ("config", "check", "~/c.yaml")],
)
def test_a_tilde_is_the_home_folder(
    command: tuple[str, ...], rows: Path, tithe: Tithe, monkeypatch: pytest.MonkeyPatch, tiny_bert: Path
) -> None:
    monkeypatch.setenv("HOME", str(rows.parent))
    (rows.parent / "c.yaml").write_text(
        f"data: {{path: ~/rows.parquet}}\nmodel: {{encoder: {tiny_bert}, max_length: 32}}\n"
    )
    code, _, err = tithe(*command)
    assert not code, err


OUTPUTS = [
    ("train", "c.yaml", "--out", "FILE"),
    ("train", "c.yaml", "--set", "out=FILE"),
    ("tune", "c.yaml", "--out", "FILE"),
    ("quickstart", "--out", "FILE"),
    ("select", "rows.parquet", "--encoder", "nowhere", "--out", "FILE/picks.parquet"),
    ("select", "rows.parquet", "--encoder", "nowhere", "--out", "folder.parquet"),
    ("suite", "rows.parquet", "--out", "FILE"),
    ("predict", "nowhere", "a text", "-o", "FILE/predictions.csv"),
    ("predict", "nowhere", "a text", "-o", "folder.csv"),
    ("evaluate", "-c", "nowhere", "--out", "FILE"),
    ("fetch", "imdb", "--out", "FILE"),
    ("prepare", "parts", "--out", "FILE"),
    ("compare", "nowhere", "--html", "FILE/page.html"),
]


@pytest.mark.parametrize("command", OUTPUTS, ids=[" ".join(command) for command in OUTPUTS])
def test_an_output_that_can_not_be_written_is_found_first(
    command: tuple[str, ...], rows: Path, tithe: Tithe, monkeypatch: pytest.MonkeyPatch, tiny_bert: Path
) -> None:
    folder = rows.parent
    monkeypatch.chdir(folder)
    (folder / "c.yaml").write_text(f"data: {{path: rows.parquet}}\nmodel: {{encoder: {tiny_bert}, max_length: 32}}\n")
    for name in ("folder.parquet", "folder.csv", "parts"):
        (folder / name).mkdir()
    (folder / "file").write_text("kept")
    before = sorted(folder.rglob("*"))
    code, out, err = tithe(*(word.replace("FILE", "file") for word in command))
    assert code == 2 and out == "" and len(err) == 1 and err[0].startswith("error: can't write"), err
    assert (folder / "file").read_text() == "kept" and sorted(folder.rglob("*")) == before


def test_an_empty_path_is_refused(tithe: Tithe) -> None:
    code, _, err = tithe("train", "")
    assert code == 2 and "a path on the command line is empty" in err[-1]
