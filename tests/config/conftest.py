"""A config written and loaded."""

from pathlib import Path

import pytest

from support.configs import Load
from tithe import config


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    """Write a config and load it, in a working directory of its own."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, *overrides: str) -> config.Run:
        path = tmp_path / "run.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return config.load(path, overrides)

    return load
