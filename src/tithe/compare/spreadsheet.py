"""A comparison as a CSV file: one line for each run."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.compare import Compared, Comparison


def write_csv(comparison: Comparison, file: Path) -> None:
    """Write what differs between the runs and what came out, numbers in full; an empty cell is an unknown value.

    Texts that a spreadsheet would take for a formula begin with `'`; see `storage.csv_cell`.
    """
    lines = [
        {**_names(run), **{key: values[place] for key, values in comparison.settings.items()}, **_results(run)}
        for place, run in enumerate(comparison.runs)
    ]
    text = io.StringIO()
    table = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    table.writeheader()
    table.writerows({key: storage.csv_cell(value) for key, value in line.items()} for line in lines)
    storage.write_text(file, text.getvalue())


def _names(run: Compared) -> dict[str, Any]:
    return {"run": run.files.name, "home": str(run.files.home)}


def _results(run: Compared) -> dict[str, Any]:
    result = run.as_json()
    difference = result["difference_to_first"] or {"score": None, "interval_95": None, "beyond_chance": None}
    return {
        **{key: result[key] for key in ("finished", "score", "best_val_score", "test_score")},
        **_interval("test", result["test_interval_95"]),
        "difference": difference["score"],
        **_interval("difference", difference["interval_95"]),
        "beyond_chance": difference["beyond_chance"],
        **{key: result[key] for key in ("epochs", "best_epoch", "steps", "rows_seen", "seconds", "seconds_per_epoch")},
        "training_loss": run.stability.word if run.stability else None,
        "overfitting": result["overfitting"],
        "freeze": result["freeze"]["verdict"],
        "parameters_trained": result["parameters_trained"],
    }


def _interval(name: str, ends: list[float] | None) -> dict[str, float | None]:
    low, high = ends or (None, None)
    return {f"{name}_low": low, f"{name}_high": high}
