"""Small searches before a run, and what they tried."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tithe import config, pipeline
from tithe.train import devices
from tithe.tune import search as tune_search
from tithe.tune import trials
from tithe.tune.search import SearchResult

Settings = Callable[..., dict[str, Any]]


def tuned(settings: Settings, freeze: Any = "all", **tune: Any) -> config.Run:
    asked = {"trials": 4, "sample": 0.5, "learning_rate": [1e-4, 1e-2], **tune}
    return config.parse(settings(model={"freeze": freeze}, tune=asked))


def search(run: config.Run, home: Path) -> SearchResult:
    return tune_search.search(pipeline.check(run), home, devices.accelerator("cpu", "no"))


def ground(run: config.Run) -> trials.SearchSetup:
    return trials.open_search(pipeline.check(run), devices.accelerator("cpu", "no"))


def untimed(found: SearchResult) -> list[dict[str, Any]]:
    return [{key: value for key, value in trial.items() if key != "seconds"} for trial in found.summary["trials"]]


def rate(trial: dict[str, Any]) -> float:
    return float(trial["values"]["train"]["learning_rate"])
