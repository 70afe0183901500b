"""The contract of every tracker: it takes all that a run sends, however the run ends, and touches nothing else."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from tithe import config
from tithe.storage.run_files import FILES
from tithe.testing.members import open_member, untouched
from tithe.track.tracks import Tracker

METHODS = ("params", "scalars", "figure", "artifact", "close")


def check_tracker(tracker: str | Path | ModuleType, home: Path, settings: Mapping[str, Any] | None = None) -> None:
    """Check that a tracker keeps the contract.

    Parameters
    ----------
    tracker
        A module, its dotted name, the path of a `.py` file, or the name of an installed tracker.
    home
        An empty folder for the run directory; what the tracker wrote stays there, to be looked at.
    settings
        As a config gives them.

    Raises
    ------
    AssertionError
        It does not; the message says in what.
    InputError, ImportError
        It is not there, or is not a tracker.
    """
    name, module = open_member("trackers", tracker)
    given = dict(settings or {})
    before = dict(given)
    with untouched(f"tracker '{name}'"):
        module.check(given)
        _mirror_a_run(_opened(name, module, home, {**given, "resume_step": 1}), home, first=1, status="stopped")
        _mirror_a_run(_opened(name, module, home, {**given, "resume_step": 4}), home, first=4, status="finished")
        _opened(name, module, home, {**given, "resume_step": 7}).close("failed")  # before anything was sent
    assert given == before, f"tracker '{name}' changed its settings"
    stray = sorted({path.name for path in home.iterdir()} - {name, *FILES})
    assert not stray, f"tracker '{name}' wrote {', '.join(stray)}: only '{name}' in the run directory belongs to it"


def _opened(name: str, module: ModuleType, home: Path, settings: dict[str, Any]) -> Tracker:
    opened: Tracker = module.open(home, settings, "contract")
    missing = [method for method in METHODS if not callable(getattr(opened, method, None))]
    assert not missing, f"what open of tracker '{name}' returns has no {' and no '.join(missing)}"
    return opened


def _mirror_a_run(tracker: Tracker, home: Path, first: int, status: str) -> None:
    """Send what a run of three steps sends, a loss that is not a number among it."""
    tracker.params(config.dump(config.parse({"data": {"path": "rows.parquet"}})))
    for step in range(first, first + 3):
        tracker.scalars({"train/batch_loss": 1 / step, "train/learning_rate": 1e-5}, step)
    tracker.scalars({"val/loss": math.nan, "val/f1": 0.5}, first + 2)
    tracker.scalars({}, first + 2)
    tracker.figure("test/roc_curve", _picture(home / "test" / "roc_curve.png"))
    artifact = home / "metrics.json"
    artifact.write_text('{"f1": 0.5}\n', encoding="utf-8")
    tracker.artifact("metrics.json", artifact)
    tracker.close(status)


def _picture(path: Path) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGBA", (6, 4), (200, 0, 0, 255)).save(path)
    return path
