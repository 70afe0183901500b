"""Runs on cached features: what the cache holds, what was logged, where a run was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.runs import built, run
from support.signals import asked_after
from tithe import interrupts, storage
from tithe.checkpoints import locate
from tithe.errors import Interrupted

HIT = "the encoder does not run"


def stored() -> list[Path]:
    """The whole features in the cache."""
    found = (storage.cache_dir() / "features").glob("*/features.npy")
    return sorted(path for path in found if not path.parent.name.endswith("-unfinished"))


def history(home: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (home / "history.jsonl").read_text().splitlines()]


def numbers(value: Any, at: str = "") -> dict[str, float]:
    """Every number in a nested value by its path."""
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, below in items for k, v in numbers(below, f"{at}/{key}").items()}
    return {at: float(value)} if isinstance(value, int | float) else {}


def predicted(home: Path, part: str) -> Any:
    return pq.read_table(home / part / "predictions.parquet")


def unfinished(raw: dict[str, Any], step: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stop a run exactly after a training step; return its newest checkpoint."""
    built(raw)  # so that it is asked for a stop while it trains, and not while the encoder runs

    with monkeypatch.context() as patch, pytest.raises(Interrupted):
        patch.setattr(interrupts, "StopRequest", asked_after(step))
        run(raw)
    newest = locate.newest_intact(Path(raw["out"]) / "checkpoints")
    assert newest is not None and newest.name == f"step_{step:08d}"
    return newest
