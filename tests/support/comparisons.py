"""Runs to compare: what each sets beside the base, how they are made, and what is noted of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tithe import config, pipeline, storage
from tithe.compare import Comparison
from tithe.errors import TitheError

Make = Callable[[str, str], Path]

# Each run by its name: what it sets beside the base, and what sets it apart in `data`.
RUNS: dict[str, dict[str, Any]] = {
    "base": {},
    "lame": {"train": {"learning_rate": 1e-9}},
    "eager": {"train": {"learning_rate": 1e-2, "epochs": 12}},
    "seed": {"seed": 1},
    "data": {},
    "frozen": {"model": {"freeze": "all"}, "train": {"learning_rate": 1e-2}},
    "untested": {"data": {"test_ratio": 0.0}, "checkpoint": {"best_by": "loss"}},
    "diverged": {"train": {"learning_rate": 1e30, "clip_norm": 0.0}},
}


def train(home: Path, rows: Path, encoder: Path, sections: dict[str, Any]) -> None:
    raw: dict[str, Any] = {
        "name": home.name,
        "out": str(home),
        "data": {"path": str(rows), "val_ratio": 0.2, "test_ratio": 0.3},
        "model": {"encoder": str(encoder), "max_length": 32},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 5e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    raw["train"]["log_every_steps"] = 1
    for section, values in sections.items():
        raw[section] = {**raw.get(section, {}), **values} if isinstance(values, dict) else values
    try:
        pipeline.train(config.parse(raw))
    except TitheError:
        assert home.name == "diverged"


def edit(path: Path, change: Callable[[Any], object]) -> None:
    value = storage.read_json(path)
    change(value)
    storage.write_json(path, value)


def kinds(comparison: Comparison, name: str) -> set[str]:
    """The kinds of notes about a run; whether it overfits or is within chance is the subject of tests of their own."""
    found = {note.kind for note in comparison.notes if name in note.runs}
    return found - {"overfitting", "chance"}


def noted(comparison: Comparison, kind: str) -> list[str]:
    return [str(note) for note in comparison.notes if note.kind == kind]
