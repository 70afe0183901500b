"""Figures of a detector's results, as PNG files.

Labels and scores are those of `authenticity`: 1 is real, and a score in [0, 1] is high for what looks real. Real is
blue and fake orange throughout.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tithe.arrays import Array
from tithe.metrics import authenticity
from tithe.metrics.calibration import Calibration
from tithe.report.canvas import canvas, draw_grid, panels, save, series_style, set_title, short_name
from tithe.report.palette import BAND, FAKE, INK, MUTED, REAL, SERIES
from tithe.report.unit_square import RateCurve, Style, draw_rates, draw_reliability

_MOST_CURVES = 2 * len(SERIES)  # every color in two dashes: more cannot be told apart
_COLUMNS = 6


def histogram(path: Path, labels_N: Array, scores_N: Array, calibration: Calibration | None = None) -> None:
    """Draw where the scores of each class lie; with a calibration its probabilities, and the band of no verdict."""
    labels_N, scores_N = authenticity.checked(labels_N, scores_N)
    shown_N = scores_N if calibration is None else calibration.apply(scores_N)
    figure, axes = canvas(7.6, 3.8)
    edges = np.linspace(0, 1, 41).tolist()
    for label, (name, color) in enumerate(zip(authenticity.CLASSES, (FAKE, REAL), strict=True)):
        own_N = shown_N[labels_N == label]
        if len(own_N):
            weights_N = np.full(len(own_N), 1 / len(own_N))  # shares, so that classes of any size compare
            style: Style = {"histtype": "stepfilled", "facecolor": (color, 0.3), "edgecolor": color, "linewidth": 1.6}
            axes.hist(own_N, edges, weights=weights_N, label=f"{name}, {len(own_N)}", **style)
    if calibration is not None:
        _band(axes, calibration)
    axes.set_xlim(0, 1)
    axes.set_xlabel("score" if calibration is None else "calibrated probability of being real")
    axes.set_ylabel("share of the class")
    set_title(axes, "Scores of each class")
    _legend(figure, axes)
    save(figure, path)


def _band(axes: Axes, calibration: Calibration) -> None:
    low, high = calibration.low, calibration.high
    name = f"unsure, {low:.2f} to {high:.2f}" if low < high else f"one threshold, {low:.2f}"
    axes.axvspan(low, high, color=BAND, zorder=0, label=name if low < high else None)
    for edge in {low, high}:
        axes.axvline(edge, color=INK, linewidth=1, linestyle="--", label=None if low < high else name)


def roc(path: Path, labels_N: Array, scores_N: Array, generators_N: Sequence[str] | Array, log: bool = False) -> None:
    """Draw the share of fakes caught against that of reals called fake, for each generator against all reals.

    On a logarithmic axis the few false alarms show that matter in use. Of many generators the hardest are drawn.
    """
    labels_N, scores_N = authenticity.checked(labels_N, scores_N)
    table = authenticity.per_generator(labels_N, scores_N, generators_N)[:-1]
    lines = sorted((line for line in table if line["auc"] is not None), key=lambda line: float(line["auc"]))
    figure, axes = canvas(7.6, 4.4)
    curves = _generator_curves(labels_N, scores_N, generators_N, lines[:_MOST_CURVES])
    draw_rates(axes, curves, "reals called fake", "fakes caught", chance=not log)
    if log:
        axes.set_xscale("log")
        axes.set_xlim(0.5 / max(1, int(labels_N.sum())), 1.01)
    set_title(axes, _roc_title(len(lines)))
    if lines:
        figure.legend(frameon=False, fontsize=9, loc="outside right upper", title="AUC", alignment="left")
    save(figure, path)


def _generator_curves(
    labels_N: Array, scores_N: Array, generators_N: Sequence[str] | Array, lines: Sequence[Mapping[str, Any]]
) -> Iterator[RateCurve]:
    names_N = np.asarray(generators_N, dtype=object)
    for place, line in enumerate(lines):
        rows_N = (labels_N == 1) | (names_N == line["generator"])
        sweep = authenticity.sweep(labels_N[rows_N], scores_N[rows_N])
        label = f"{line['auc']:.3f}  {short_name(line['generator']).lstrip()}"
        style = {**series_style(place), "drawstyle": "steps-post", "linewidth": 1.6, "label": label}
        yield RateCurve(sweep.reals_T / sweep.reals_T[-1], sweep.fakes_T / sweep.fakes_T[-1], style)


def _roc_title(generators: int) -> str:
    if not generators:
        return "ROC: there are not both reals and fakes"
    return f"ROC, the hardest {_MOST_CURVES} of {generators} generators" if generators > _MOST_CURVES else "ROC"


def reliability(path: Path, labels_N: Array, scores_N: Array, calibration: Calibration) -> None:
    """Draw the share of reals against the score, before and after calibration (Guo et al. 2017)."""
    labels_N, scores_N = authenticity.checked(labels_N, scores_N)
    curves = []
    for name, p_N, look in (
        ("before", scores_N, {"color": MUTED, "linestyle": "--", "marker": "s"}),
        ("after", calibration.apply(scores_N), {"color": REAL, "linestyle": "-", "marker": "o"}),
    ):
        label = f"{name}, expected error {authenticity.calibration_error(labels_N, p_N):.3f}"
        curves.append((authenticity.reliability(labels_N, p_N), {**look, "ms": 4, "label": label}))
    figure, axes = canvas(5.6, 5.0)
    draw_reliability(axes, curves, "score, or calibrated probability of being real", "share that is real")
    set_title(axes, "Calibration")
    _legend(figure, axes)
    save(figure, path)


def robustness(path: Path, table: Mapping[str, Mapping[str, float | None]]) -> None:
    """Draw the `auc` and the `fpr` of each line of a table, as distances from its first."""
    names = list(table)
    figure, (left, right) = panels(8.6, 1.3 + 0.3 * len(names), columns=2, share_y=True)
    _draw_changes(left, [table[name]["auc"] for name in names], "AUC", REAL)
    _draw_changes(right, [table[name]["fpr"] for name in names], "reals called fake at 0.5", FAKE)
    if aucs := [value for line in table.values() if (value := line["auc"]) is not None]:
        left.set_xlim(min(0.5, *aucs) - 0.02, 1)
    left.set_yticks(range(len(names)), names)
    left.set_ylim(len(names) - 0.5, -0.5)
    save(figure, path)


def _draw_changes(axes: Axes, column: Sequence[float | None], title: str, color: str) -> None:
    values = {place: value for place, value in enumerate(column) if value is not None}
    draw_grid(axes, "x")
    if 0 in values:
        axes.axvline(values[0], color=INK, linewidth=0.9, linestyle=":")
        axes.hlines(list(values), values[0], list(values.values()), color=color, linewidth=2, alpha=0.35)
    if values:  # an empty line would count as a point in the corner, and widen the picture
        axes.plot(list(values.values()), list(values), "o", color=color, ms=5, clip_on=False)
    for place, value in values.items():
        axes.text(1.02, place, f"{value:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
    axes.set_xlim(-0.02, 1)
    set_title(axes, title if values else f"{title}: there is none")


def contact_sheet(
    path: Path, images: Sequence[Array], labels_B: Array, scores_B: Array, names: Sequence[str], title: str
) -> None:
    """Draw images beside each other, each with its true class as a frame, its score and its name.

    Parameters
    ----------
    images
        uint8 arrays of shape (H, W, 3), RGB, of any sizes; there may be none.
    labels_B, scores_B, names
        What belongs to each; `authenticity.most_wrong` finds the rows worth a look.
    """
    lines = max(1, -(-len(images) // _COLUMNS))
    figure, cells = panels(1.6 * _COLUMNS, 0.5 + 1.95 * lines, lines, _COLUMNS)
    for axes, image, label, score, name in zip(cells, images, labels_B, scores_B, names, strict=False):
        _draw_image(axes, image, int(label), f"scored {score:.3f}")
        axes.set_xlabel(short_name(name), fontsize=8, color=INK)
    for axes in cells[len(images) :]:
        axes.set_axis_off()
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)
    save(figure, path)


def _draw_image(axes: Axes, image_HW3: Array, label: int, score: str) -> None:
    color = (FAKE, REAL)[label]
    axes.imshow(image_HW3)
    axes.set(xticks=[], yticks=[], anchor="N")
    axes.spines[:].set(visible=True, color=color, linewidth=3)
    axes.set_title(f"{authenticity.CLASSES[label]}, {score}", fontsize=9, color=color, pad=4)


def _legend(figure: Figure, axes: Axes) -> None:
    """Put the names above the frame, where they hide nothing."""
    columns = len(axes.get_legend_handles_labels()[0])
    figure.legend(frameon=False, fontsize=9, loc="outside upper right", ncols=columns)
