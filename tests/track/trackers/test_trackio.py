"""Trackio: the database that its real client writes, read with SQLite."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tithe import plugins
from tithe.errors import InputError
from tithe.track.trackers import trackio

pytest_plugins = ["support.child_process"]


def read(folder: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(folder / "texts.db")
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def series(folder: Path, key: str) -> list[tuple[int, Any]]:
    rows = read(folder, "SELECT step, metrics FROM metrics ORDER BY step")
    return [(step, json.loads(values)[key]) for step, values in rows if key in json.loads(values)]


def test_the_database_holds_what_was_logged_and_nothing_is_written_elsewhere(
    alone: Path, written: Callable[[], set[Path]]
) -> None:
    Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save(alone / "confusion_matrix.png")
    (alone / "metrics.json").write_text("{}")
    track = trackio.open(alone, {"project": "texts", "resume_step": 1}, "run-name")
    track.params({"train": {"learning_rate": 0.1}, "seed": 3})
    for step in range(1, 6):
        track.scalars({"train/batch_loss": 1 / step}, step)
    track.figure("test/confusion_matrix", alone / "confusion_matrix.png")
    track.artifact("metrics.json", alone / "metrics.json")
    track.close("finished")

    folder = alone / "trackio"
    assert series(folder, "train/batch_loss") == [(step, 1 / step) for step in range(1, 6)]
    ((name, config),) = read(folder, "SELECT run_name, config FROM configs")
    assert name == "run-name"
    assert json.loads(config)["train"] == {"learning_rate": 0.1}
    assert [step for step, _ in series(folder, "test/confusion_matrix")] == [5]
    assert [(step, note["_value"]) for step, note in series(folder, "status")] == [(5, "finished")]
    copies = [file.read_bytes() for file in folder.rglob("*.png")]
    assert copies == [(alone / "confusion_matrix.png").read_bytes()]
    assert {path for path in written() if not path.is_relative_to(alone)} <= {Path("/dev/null")}


def test_runs_share_a_database_and_a_resumed_one_goes_on_there(alone: Path, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    for name, first in (("one", 1), ("two", 1), ("one", 4)):
        track = trackio.open(alone, {"project": "texts", "resume_step": first, "folder": str(shared)}, name)
        track.scalars({"loss": 1.0}, first)
        track.close("stopped")
    found = read(shared, "SELECT DISTINCT run_name, run_id FROM metrics")
    assert sorted(name for name, _ in found) == ["one", "two"]
    assert [step for step, _ in series(shared, "loss")] == [1, 1, 4]


def test_a_missing_client_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plugins, "installed", lambda _: False)
    with pytest.raises(InputError, match=r"tithe\[trackio\]"):
        trackio.check({})
