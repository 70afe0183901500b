"""Pictures as they are, or blank where a test is about something else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, BinaryIO
from unittest import mock

from matplotlib.figure import Figure
from PIL import Image


def _blank_png() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (1, 1), "white").save(file, "PNG")
    return file.getvalue()


_BLANK = _blank_png()


def _save_blank(figure: Figure, file: BinaryIO, **how: Any) -> None:
    file.write(_BLANK)


class _Nothing:
    """Axes, or what they return: takes every call and draws nothing."""

    def __getattr__(self, name: str) -> _Nothing:
        return self

    def __getitem__(self, key: object) -> _Nothing:
        return self

    def __call__(self, *args: object, **how: object) -> _Nothing:
        return self

    def __iter__(self) -> Iterator[Any]:
        return iter(())

    def __len__(self) -> int:
        return 0


_NOTHING = _Nothing()


def _no_axes(figure: Figure, rows: int, columns: int, **how: Any) -> SimpleNamespace:
    return SimpleNamespace(flat=[_NOTHING] * (rows * columns))


# Making axes and curves costs as much as the training of a tiny run.
_BLANK_FIGURE = {
    "savefig": _save_blank,
    "subplots": _no_axes,
    **dict.fromkeys(("colorbar", "legend", "suptitle"), _NOTHING),
}
_REAL_FIGURE = {name: getattr(Figure, name) for name in _BLANK_FIGURE}


@contextmanager
def blank() -> Iterator[None]:
    """Nothing is drawn, and every figure is saved as one white pixel."""
    with mock.patch.multiple(Figure, **_BLANK_FIGURE):
        yield


@contextmanager
def real() -> Iterator[None]:
    """Figures are drawn, also inside `blank`."""
    with mock.patch.multiple(Figure, **_REAL_FIGURE):
        yield
