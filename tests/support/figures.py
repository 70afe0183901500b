"""Pictures as they are, or blank where a test is about something else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import pytest
from matplotlib.figure import Figure
from PIL import Image

_DRAW = Figure.savefig


def _blank_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(file, "PNG")
    return file.getvalue()


_BLANK = _blank_png()


def _save_blank(figure: Figure, file: BinaryIO, **how: Any) -> None:
    file.write(_BLANK)


@contextmanager
def blank() -> Iterator[None]:
    """Every figure is saved as one white pixel."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _save_blank)
        yield


@contextmanager
def real() -> Iterator[None]:
    """Figures are drawn, also inside `blank`."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", _DRAW)
        yield
