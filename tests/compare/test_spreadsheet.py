"""A comparison as a CSV file."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tithe.compare import compare_runs
from tithe.compare.spreadsheet import write_csv


def test_the_file_has_a_line_for_each_run(made: Path, tmp_path: Path) -> None:
    found = compare_runs([made], ["train.batch_size"])
    write_csv(found, tmp_path / "compared.csv")
    with (tmp_path / "compared.csv").open(newline="", encoding="utf-8") as file:
        lines = {line["run"]: line for line in csv.DictReader(file)}
    assert list(lines) == [run.files.name for run in found.runs]
    for run in found.runs:
        line, result = lines[run.files.name], run.as_json()
        assert (line["home"], line["train.batch_size"]) == (str(run.files.home), "8")
        for key in ("best_val_score", "test_score", "seconds"):
            assert line[key] == ("" if result[key] is None else str(result[key]))
    assert lines["eager"]["train.epochs"] == "12" and lines["diverged"]["finished"] == "False"
    difference = next(run.difference for run in found.runs if run.files.name == "eager")
    assert difference and float(lines["eager"]["difference"]) == difference.value
    assert [float(lines["eager"][f"difference_{end}"]) for end in ("low", "high")] == [difference.low, difference.high]


def test_the_command_compares_with_the_baseline(made: Path, tithe: Callable[..., Any], tmp_path: Path) -> None:
    file = tmp_path / "compared.csv"
    options = ["--baseline", made / "lame", "--column", "train.batch_size", "--csv", file]
    code, out, _ = tithe("compare", made / "base", made / "lame", *options)
    assert code == 0 and "difference to lame" in out and "train.batch_size" in out
    assert [line.split(",")[0] for line in file.read_text().splitlines()] == ["run", "lame", "base"]
