"""One finished run of a real detector for all test files and all processes of a session."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from filelock import FileLock

from support.photographs import train, twins

FLAGS = {"epochs": 1, "crops": 4, "batch_size": 8, "lr": 0.002, "warmup_epochs": 0, "test_ratio": 0.25}


def finished(factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the photographs and the home of the run on them; the first who asks trains, the others wait."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "detector"
    with FileLock(f"{folder}.lock"):
        recorded = folder / "home.txt"
        if not recorded.exists():
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TITHE_CACHE", str(folder / "cache"))
                home = train(twins(folder / "set"), folder / "checkpoints", **FLAGS).home
            recorded.write_text(str(home))
    return folder / "set", Path(recorded.read_text())
