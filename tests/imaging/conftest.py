"""A place for image files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def store(tmp_path: Path) -> Callable[[bytes], Path]:
    """Write bytes to a file whose name says nothing true of them."""

    def write(data: bytes, name: str = "photo.gif") -> Path:
        path = tmp_path / name
        path.write_bytes(data)
        return path

    return write
