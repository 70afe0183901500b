"""The one way to make a figure: without pyplot's global state, in one look, written as PNG."""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tithe import storage
from tithe.report.palette import GRID, INK, SERIES

_DASHES = ("-", "--", ":", "-.")


def canvas(width: float, height: float) -> tuple[Figure, Axes]:
    """Return a figure of so many inches and its axes."""
    figure, (axes,) = panels(width, height)
    return figure, axes


def panels(
    width: float, height: float, rows: int = 1, columns: int = 1, share_y: bool = False
) -> tuple[Figure, list[Axes]]:
    """Return a figure of so many inches and its axes, row by row."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    cells = list(figure.subplots(rows, columns, sharey=share_y, squeeze=False).flat)
    for axes in cells:
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=9, colors=INK)
    return figure, cells


def set_title(axes: Axes, text: str) -> None:
    """Put a title above the left edge, `$` taken literally."""
    axes.set_title(text, fontsize=11, loc="left", parse_math=False)


def draw_grid(axes: Axes, axis: Literal["x", "y"]) -> None:
    """Draw the lines of the `x` or the `y` axis behind everything else."""
    axes.grid(axis=axis, color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)


def draw_legend(axes: Axes) -> None:
    """Put the names where they hide least of the curves."""
    axes.legend(frameon=False, fontsize=9)


def series_color(place: int) -> str:
    """Return the color of one of several curves."""
    return SERIES[place % len(SERIES)]


def series_style(place: int) -> dict[str, Any]:
    """Return keywords for `plot`: color and dashes of one of several curves, the same after every pair was used."""
    return {"color": series_color(place), "linestyle": _DASHES[place // len(SERIES) % len(_DASHES)]}


def short_name(name: str) -> str:
    """A class name as a picture can hold it: matplotlib reads $…$ as mathematics and hides legends from _ on."""
    short = name if len(name) <= 18 else f"{name[:17]}…"
    return f"{' ' if name.startswith('_') else ''}{short}".replace("$", r"\$")


def png(figure: Figure) -> bytes:
    """Return a figure as the bytes of a PNG file."""
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)  # it is drawn as a box
        figure.savefig(file, format="png", dpi=120, bbox_inches="tight")
    return file.getvalue()


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, atomically."""
    with storage.atomic_file(path) as aside:
        aside.write_bytes(png(figure))
