"""The command as a user meets it: called here, with what it printed and what it left."""

from __future__ import annotations

import io
import json
import re
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest

from support.texts import write_rows
from tithe.cli import main

PICTURES = ["confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve", "reliability"]
PART_FILES = {"metrics.json", "per_class.csv", "predictions.parquet", *(f"{name}.png" for name in PICTURES)}


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]

Settings = Callable[..., dict[str, object]]


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def write_config(path: Path, raw: object) -> Path:
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


class Trained(NamedTuple):
    """A finished run, with what it was trained from."""

    config: Path
    home: Path
    result: Result

    @property
    def best(self) -> Path:
        return self.home / "checkpoints/best"


def train(folder: Path, encoder: Path, texts: list[str], labels: list[object]) -> Trained:
    """Train with the command."""
    rows = write_rows(folder / "rows.parquet", texts, labels)
    raw = {
        "name": "first",
        "out": str(folder / "run"),
        "data": {"path": str(rows)},
        "model": {"encoder": str(encoder), "max_length": 32},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    config = write_config(folder / "config.json", raw)
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
        patch.setattr(sys, "argv", ["tithe", "train", str(config)])
        with pytest.raises(SystemExit) as exit_:
            main.main()
    result = Result(exit_.value.code, out.getvalue(), err.getvalue())
    assert result.code == 0, result.err
    return Trained(config, folder / "run", result)


def assert_refused(result: Result, says: str) -> None:
    *log, error = result.err.splitlines() or [""]
    assert error.startswith("error: "), result.err
    assert result.code == 2 and result.out == ""
    assert all(line.startswith(("reading and cleaning", "checkpoint ", "going on from")) for line in log), log
    assert re.search(says, error), error
