"""A teacher's view: one row for each student, by the name of the runs or by the folder that they are in."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tithe import metrics, storage
from tithe.board.rows import BROKEN, FINISHED, FOREIGN, RUNNING

COLUMNS = (
    *("student", "runs", "finished", "running", "broken", "score", "test", "validation", "best_run", "strategy"),
    *("freeze", "epochs", "last_change"),
)
NAME, FOLDER = "name", "folder"
Json = Mapping[str, Any]


def students(rows: Iterable[Json], by: str) -> list[dict[str, Any]]:
    """Return a row for each student, sorted by name, with the best of their finished runs.

    The best one is that with the best validation score, so that nobody gains by trying on test rows. Runs whose best
    epoch was chosen by another score than that of the first are not compared with it.

    Parameters
    ----------
    by
        `name`: the name in the configs of the runs; `folder`: the first folder below that of the board.
    """
    groups: dict[str, list[Json]] = {}
    for row in rows:
        if row["kind"] == "run":
            groups.setdefault(_student(row, by), []).append(row)
    return [_line(student, groups[student]) for student in sorted(groups)]


def _student(row: Json, by: str) -> str:
    first = str(row["folder"]).partition("/")[0]
    return first if by == FOLDER else str(row["label"] or row["name"])


def _line(student: str, rows: Sequence[Json]) -> dict[str, Any]:
    best = _best([row for row in rows if row["state"] == FINISHED])
    facts: Json = best["facts"] if best else {}
    count = {state: sum(row["state"] == state for row in rows) for state in (FINISHED, RUNNING, BROKEN, FOREIGN)}
    return {
        "student": student,
        "runs": len(rows),
        "finished": count[FINISHED],
        "running": count[RUNNING],
        "broken": count[BROKEN] + count[FOREIGN],
        **{name: facts.get(name) for name in ("score", "test", "validation")},
        "best_run": best["folder"] if best else None,
        "strategy": best["settings"].get("select.strategy") if best else None,
        **{name: facts.get(name) for name in ("freeze", "epochs")},
        "last_change": max(row["changed"] for row in rows),
    }


def _best(rows: Sequence[Json]) -> Json | None:
    best: Json | None = None
    for row in rows:
        score, value = row["facts"].get("score"), row["facts"].get("validation")
        if value is None or (best and score != best["facts"]["score"]):
            continue
        if metrics.better(score, value, best["facts"]["validation"] if best else None):
            best = row
    return best


def as_csv(lines: Iterable[Json]) -> str:
    """Return the rows as CSV: numbers in full, and no cell that a spreadsheet would run as a formula."""
    text = io.StringIO()
    table = csv.DictWriter(text, COLUMNS, lineterminator="\r\n")
    table.writeheader()
    table.writerows({name: storage.csv_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()
