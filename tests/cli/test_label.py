"""`tithe label`: what it prints."""

from __future__ import annotations

import json
from pathlib import Path

from support.command_line import Run


def test_the_command_says_what_is_known_and_hoped(rows: Path, tiny_bert: Path, tmp_path: Path, run: Run) -> None:
    how = ("--encoder", tiny_bert, "--max-length", 32, "--rows", 12)
    result = run("label", rows, "--labelled", rows, "--out", tmp_path / "none", *how)
    assert result.code == 2 and result.err.splitlines()[-1].endswith("passed over: add texts to it")
    result = run("label", rows, "--out", tmp_path / "first", *how, "--classes", "sport, space")
    assert result.code == 0, result.err
    assert result.out.splitlines()[:3] == [
        f"12 rows to label in {tmp_path}/first/rows.csv, chosen by typiclust: no label is known: typical rows of many "
        "clusters",
        f"page to label them on: {tmp_path}/first/label.html",
        "no label is known yet",
    ]
    assert '"classes":["sport","space"]' in (tmp_path / "first/label.html").read_text(encoding="utf-8")
    result = run("label", rows, "--out", tmp_path / "first", *how, "--classes", "sport, space", "--json")
    assert json.loads(result.out) == json.loads((tmp_path / "first/label.json").read_text(encoding="utf-8"))
