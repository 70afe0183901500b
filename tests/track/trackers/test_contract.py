"""Every tracker keeps the contract of `tithe.testing`, and the contract finds each way to break it."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from support.child_process import Server
from support.generators import generators_kept
from tithe import plugins
from tithe.testing import check_tracker

pytest_plugins = ["support.child_process"]
SETTINGS = {
    "tensorboard": {"folder": "tensorboard"},
    "neptune": {"project": "us/texts"},
    "clearml": {"project": "texts"},
    "trackio": {"project": "texts"},
    "wandb": {"project": "texts"},
}


def test_every_tracker_is_checked() -> None:
    assert set(plugins.names("trackers")) == {*SETTINGS, "mlflow"}


@pytest.mark.parametrize("name", SETTINGS)
def test_every_tracker_keeps_the_contract(name: str, alone: Path) -> None:
    check_tracker(name, alone, SETTINGS[name])
    assert {path.name for path in alone.iterdir()} > {"metrics.json", "test"}, "it wrote nothing"


def test_mlflow_keeps_the_contract(alone: Path, mlflow_server: Server) -> None:
    check_tracker("mlflow", alone, {"tracking_uri": mlflow_server.uri, "experiment": "contract"})
    assert mlflow_server.series(alone, "train/batch_loss") == [(step, 1 / step) for step in range(1, 7)]


TRACKER = """
import json, random, signal
from pathlib import Path

def check(settings):
    {check}

def open(home, settings, name):
    {open}
    return Tracker()

class Tracker:
    def params(self, values): {params}
    def scalars(self, values, step): {scalars}
    def figure(self, name, path): ...
    def artifact(self, name, path): ...
    def close(self, status): {close}
"""
RIGHT = dict.fromkeys(("check", "open", "params", "scalars", "close"), "...")
BROKEN: dict[str, tuple[dict[str, str], type[Exception], str]] = {
    "no close": ({"close": "...\n    close = None"}, AssertionError, "has no close"),
    "settings changed": ({"check": "settings.setdefault('url', 1)"}, AssertionError, "changed its settings"),
    "a file elsewhere": ({"open": "Path('log.txt').touch()"}, AssertionError, "changed the current folder"),
    "a global seed": ({"open": "random.seed(0)"}, AssertionError, "changed Python's global random generator"),
    "a signal taken": (
        {"open": "signal.signal(signal.SIGTERM, signal.SIG_IGN)"},
        AssertionError,
        "changed the handler of a signal that stops a run",
    ),
    "a stray file in the run directory": (
        {"open": "(home / 'log.txt').touch()"},
        AssertionError,
        "wrote log.txt: only",
    ),
    "no nan": ({"scalars": "json.dumps(values, allow_nan=False)"}, ValueError, "not JSON compliant"),
    "no nested values": ({"params": "[float(value) for value in values.values()]"}, ValueError, "could not convert"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_tracker_is_found(name: str, alone: Path, tmp_path: Path) -> None:
    parts, kind, says = BROKEN[name]
    file, handler = tmp_path / "broken.py", signal.getsignal(signal.SIGTERM)
    file.write_text(TRACKER.format(**{**RIGHT, **parts}))
    try:
        with generators_kept(), pytest.raises(kind, match=says):
            check_tracker(file, alone)
    finally:
        signal.signal(signal.SIGTERM, handler)


def test_a_tracker_in_a_file_keeps_the_contract(alone: Path, tmp_path: Path) -> None:
    (tmp_path / "fine.py").write_text(TRACKER.format(**RIGHT))
    check_tracker(tmp_path / "fine.py", alone)
