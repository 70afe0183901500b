"""What is fsynced, and when."""

import os
from pathlib import Path

import pytest


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """The inode of everything that is fsynced, and whether `home` was in place by then."""
    seen: list[tuple[int, bool]] = []
    real = os.fsync

    def fsync(handle: int) -> None:
        seen.append((os.fstat(handle).st_ino, Path("home").exists()))
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    return seen
