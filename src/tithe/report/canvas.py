"""A figure without global state, its colours, and its bytes as PNG."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tithe import storage

INK, QUIET, LINE = "#1d2433", "#8a94a6", "#2f5fd0"


def short_name(name: str) -> str:
    """A class name as a picture can hold it: matplotlib reads $…$ as mathematics and hides legends from _ on."""
    short = name if len(name) <= 18 else f"{name[:17]}…"
    return f"{' ' if name.startswith('_') else ''}{short}".replace("$", r"\$")


def canvas(width: float, height: float) -> tuple[Figure, Any]:
    """Return a figure of so many inches, without pyplot's global state, and its axes."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=9, colors=INK)
    return figure, axes


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # a box stands for it
        figure.savefig(file, format="png", dpi=120, bbox_inches="tight")
    return file.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    with storage.atomic_file(path) as aside:
        aside.write_bytes(png(figure))


FAKE, REAL, BAND = "#d55e00", "#0072b2", "#eceef2"
GRID = "#e4e7ec"

# Okabe and Ito's palette, which the colour-blind can tell apart, the strongest on white first.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1d2433")


def colour(run: int) -> str:
    """Return the colour of a run by its place."""
    return COLOURS[run % len(COLOURS)]
