"""A map of a selection: the chosen rows among all rows in a plane, and histograms of their classes and lengths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from tithe.arrays import Array, Rows
from tithe.report.canvas import panels, save, set_title, short_name
from tithe.report.palette import PALE, VERMILION
from tithe.select.pool import Pool

_ALL, _CHOSEN = PALE, VERMILION
_MOST_POINTS = 20000  # of the pool, and of the chosen rows
_ROWS = 1 << 16  # of embeddings that are in memory at once
_MOST_LISTED, _CHARACTERS = 1500, 160  # points with their texts, and how much of each
_NAMED_CLASSES = 8  # beyond these, names would overlap
_BARS = 60  # classes; beyond these, bars would be thinner than a line, and slow


@dataclass(frozen=True)
class Chosen:
    """A pool and the positions of the chosen rows in it."""

    pool: Pool
    rows: Rows

    @cached_property
    def plane_N2(self) -> Array:
        """The rows of the pool in the plane of its two largest principal components; never all centred rows at once."""
        X_ND = self.pool.embeddings
        parts = [slice(first, first + _ROWS) for first in range(0, len(X_ND), _ROWS)]
        means = [np.asarray(X_ND[part], np.float32).mean(axis=0) for part in parts]
        mean_D = np.average(means, axis=0, weights=[len(X_ND[part]) for part in parts]).astype(np.float32)

        def centred(part: slice) -> Array:
            return np.asarray(X_ND[part], np.float32) - mean_D

        _, vectors_DD = np.linalg.eigh(sum(part_BD.T @ part_BD for part_BD in map(centred, parts)))
        return np.concatenate([part_BD @ vectors_DD[:, -2:][:, ::-1] for part_BD in map(centred, parts)])


def draw(path: Path, chosen: Chosen, names: Sequence[str]) -> None:
    """Write a PNG: the pool in the plane of its two largest principal components, and two histograms.

    A panel whose signal is not in the pool is left out.

    Parameters
    ----------
    names
        The classes.
    """
    drawings = [drawing for drawing, needed in _PANELS.items() if needed is None or needed in chosen.pool.signals]
    figure, across = panels(4.2 * len(drawings), 3.8, columns=len(drawings))
    for axes, draw_panel in zip(across, drawings, strict=True):
        draw_panel(axes, chosen, names)
    handles = across[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9, markerscale=2)
    save(figure, path)


def points(chosen: Chosen, texts: Callable[[Rows], Sequence[str]]) -> list[dict[str, Any]]:
    """Return a part of the map as plain data: at most 1,500 rows, chosen ones first among them, with their texts.

    Parameters
    ----------
    texts
        Returns the texts of positions in the pool.
    """
    pool = chosen.pool
    if "embeddings" not in pool.signals:
        return []
    plane_N2, is_chosen_N = chosen.plane_N2, np.isin(np.arange(len(pool)), chosen.rows)
    shown = np.concatenate([_some(np.flatnonzero(of_N), _MOST_LISTED // 2) for of_N in (is_chosen_N, ~is_chosen_N)])
    scaled_N2 = 1000 * (plane_N2[shown] - plane_N2.min(axis=0)) / np.maximum(np.ptp(plane_N2, axis=0), 1e-9)
    columns = scaled_N2.round().astype(int).tolist(), shown.tolist(), texts(shown)
    return [
        {
            "at": at,
            "row": int(pool.ids[row]),
            "label": int(pool.labels[row]),
            "chosen": bool(is_chosen_N[row]),
            "text": str(text)[:_CHARACTERS],
        }
        for at, row, text in zip(*columns, strict=True)
    ]


def _some(rows: Rows, most: int) -> Rows:
    return rows[:: -(-len(rows) // most) or 1]


def _plane(axes: Axes, chosen: Chosen, names: Sequence[str]) -> None:
    plane_N2, rows = chosen.plane_N2, _some(chosen.rows, _MOST_POINTS)
    shown = np.arange(0, len(plane_N2), -(-len(plane_N2) // _MOST_POINTS))
    axes.scatter(plane_N2[shown, 0], plane_N2[shown, 1], s=3, color=_ALL, linewidths=0, label="pool")
    axes.scatter(plane_N2[rows, 0], plane_N2[rows, 1], s=5, color=_CHOSEN, linewidths=0, label="chosen")
    set_title(axes, "two principal components")


def _classes(axes: Axes, chosen: Chosen, names: Sequence[str]) -> None:
    classes, all_labels = len(names), chosen.pool.labels
    for offset, name, labels, color in (
        (-0.2, "pool", all_labels, _ALL),
        (0.2, "chosen", all_labels[chosen.rows], _CHOSEN),
    ):
        share_C = np.bincount(labels, minlength=classes) / len(labels)
        if classes <= _BARS:
            axes.bar(np.arange(classes) + offset, share_C, width=0.4, color=color, label=name)
        else:
            axes.stairs(share_C, np.arange(classes + 1) - 0.5, fill=name == "pool", color=color, label=name)
    set_title(axes, "share of each class")
    if classes <= _NAMED_CLASSES:
        axes.set_xticks(range(classes), [short_name(name) for name in names])
        if classes >= 4:
            for label in axes.get_xticklabels():
                label.set(rotation=45, ha="right", rotation_mode="anchor")
    else:
        axes.set_xlabel("class")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def _lengths(axes: Axes, chosen: Chosen, names: Sequence[str]) -> None:
    lengths_N = chosen.pool.lengths
    low, high = int(lengths_N.min()), int(lengths_N.max())
    width = -(-(high - low + 1) // 30)  # whole tokens: bins of one and a half would alternate
    edges = (np.arange(low, high + width + 1, width) - 0.5).tolist()
    axes.hist(lengths_N, edges, density=True, color=_ALL, label="pool")
    axes.hist(
        lengths_N[chosen.rows], edges, density=True, histtype="step", color=_CHOSEN, linewidth=1.6, label="chosen"
    )
    set_title(axes, "length in tokens")
    axes.set_yticks([])


_PANELS = {_plane: "embeddings", _classes: None, _lengths: "lengths"}
