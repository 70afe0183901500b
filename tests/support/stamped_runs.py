"""Settings of short runs in directories named by the time, and the log of such runs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Settings = Callable[..., dict[str, Any]]


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    """What a run says of its progress."""
    caplog.set_level(logging.INFO, "tithe")
    return caplog


@pytest.fixture
def stamped(settings: Settings, tmp_path: Path) -> Settings:
    """Settings of short runs of a frozen encoder in `tmp_path/runs/a-{time}`."""

    def build(**sections: Any) -> dict[str, Any]:
        sections.setdefault("out", str(tmp_path / "runs/a-{time}"))
        kept = {"every_batches": 5, **sections.pop("checkpoint", {})}
        return settings(model={"freeze": "all"}, checkpoint=kept, **sections)

    return build
