"""A run's directory and a picture, for trackers that write files."""

import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run's directory beside an empty working directory, where nothing may appear, and no network."""
    (tmp_path / "cwd").mkdir()
    monkeypatch.chdir(tmp_path / "cwd")
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("a tracker opened a connection"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def png(tmp_path: Path) -> Path:
    pixels_HWC = np.zeros((4, 6, 4), np.uint8)
    pixels_HWC[..., 0], pixels_HWC[..., 3] = 200, 255
    Image.fromarray(pixels_HWC).save(tmp_path / "figure.png")
    return tmp_path / "figure.png"
