"""A teacher's view: who has what, by name and by folder, and as a file for a spreadsheet."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest

from tithe.board.students import COLUMNS, as_csv, students


def row(label: str, folder: str, state: str = "finished", kind: str = "run", **facts: Any) -> dict[str, Any]:
    whole = {"score": "f1", "freeze": "proven", "epochs": 3, **facts}
    settings = {"select.strategy": "d2"}
    return {"kind": kind, "name": folder, "label": label, "folder": folder, "state": state, "facts": whole,
            "settings": settings, "changed": float(len(folder))}  # fmt: skip


ROWS = [
    row("ann", "ann/1", validation=0.5, test=0.9),
    row("ann", "ann/22", validation=0.7, test=0.6),
    row("ann", "ann/3", validation=0.9, score="accuracy", test=0.8),
    row("ann", "ann/4", "running", validation=0.99),
    row("ann", "ann/5", "broken"),
    row("bob", "bob/1", validation=0.4, test=None),
    row("bob", "ann/6", score="loss", validation=0.1),
    row("", "dan/x", "foreign"),
    row("eve", "eve/suite", kind="suite"),
]
BEST = {"ann": ("ann/22", 0.6), "bob": ("bob/1", None), "dan/x": (None, None)}


def test_the_best_run_is_that_of_validation() -> None:
    lines = students(ROWS, "name")
    assert {line["student"]: (line["best_run"], line["test"]) for line in lines} == BEST
    assert [lines[0][name] for name in ("runs", "finished", "running", "broken")] == [5, 3, 1, 1]
    assert lines[0]["strategy"] == "d2" and lines[0]["last_change"] == 6.0
    assert [line["student"] for line in students(ROWS, "folder")] == ["ann", "bob", "dan"]


def test_a_loss_is_better_when_it_is_lower() -> None:
    rows = [row("a", f"a/{loss}", score="loss", validation=loss) for loss in (0.3, 0.1, 0.2)]
    assert students(rows, "name")[0]["best_run"] == "a/0.1"


@pytest.mark.parametrize("name", ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "＝1"])
def test_no_cell_is_a_formula(name: str) -> None:
    head, line = csv.reader(io.StringIO(as_csv(students([row(name, name, validation=0.5, test=-0.25)], "name"))))
    cells = dict(zip(head, line, strict=True))
    assert tuple(head) == COLUMNS and cells["student"] == cells["best_run"] == f"'{name}" and cells["test"] == "-0.25"
