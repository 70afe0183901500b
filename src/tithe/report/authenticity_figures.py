"""Pictures of how a detector of fakes does, drawn without global state, as PNG files.

Labels and scores are those of `authenticity`: 1 is real, and a score in [0, 1] is high for what looks real. Real is
blue and fake orange throughout, which the colour-blind can tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from tithe.arrays import Array
from tithe.metrics import authenticity
from tithe.metrics.calibration import Calibration
from tithe.report.canvas import BAND, FAKE, GRID, INK, QUIET, REAL, canvas, colour, save, short_name

_MOST_CURVES = 14  # two dashes of seven colours: more are not told apart
_COLUMNS = 6


def histogram(path: Path, labels_N: Array, scores_N: Array, calibration: Calibration | None = None) -> None:
    """Draw where the scores of each class lie; with a calibration its probabilities, and the band of no verdict."""
    labels_N, scores_N = authenticity.checked(labels_N, scores_N)
    shown_N = scores_N if calibration is None else calibration.apply(scores_N)
    figure, axes = canvas(7.6, 3.8)
    edges = np.linspace(0, 1, 41)
    for label, (name, tone) in enumerate(zip(authenticity.CLASSES, (FAKE, REAL), strict=True)):
        own_N = shown_N[labels_N == label]
        if len(own_N):
            weights_N = np.full(len(own_N), 1 / len(own_N))  # shares, so that classes of any size compare
            style = {"histtype": "stepfilled", "facecolor": (tone, 0.3), "edgecolor": tone, "linewidth": 1.6}
            axes.hist(own_N, edges, weights=weights_N, label=f"{name}, {len(own_N)}", **style)
    if calibration is not None:
        _band(axes, calibration)
    axes.set_xlim(0, 1)
    axes.set_xlabel("score" if calibration is None else "calibrated probability of being real")
    axes.set_ylabel("share of the class")
    axes.set_title("Scores of each class", fontsize=11, loc="left")
    _legend(figure, axes)
    save(figure, path)


def _band(axes: Any, calibration: Calibration) -> None:
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
    figure, axes = canvas(7.6, 4.4)
    table = authenticity.per_generator(labels_N, scores_N, generators_N)[:-1]
    lines = sorted((line for line in table if line["auc"] is not None), key=lambda line: float(line["auc"]))
    if not log:
        axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    for place, line in enumerate(lines[:_MOST_CURVES]):
        rows_N = (labels_N == 1) | (np.asarray(generators_N, dtype=object) == line["generator"])
        found = authenticity.sweep(labels_N[rows_N], scores_N[rows_N])
        style = {"color": colour(place), "linestyle": ("-", "--")[place // 7], "drawstyle": "steps-post"}
        x_T, y_T = found.reals_T / found.reals_T[-1], found.fakes_T / found.fakes_T[-1]
        axes.plot(
            x_T, y_T, label=f"{line['auc']:.3f}  {short_name(line['generator']).lstrip()}", linewidth=1.6, **style
        )
    if log:
        axes.set_xscale("log")
    axes.set_xlim(0.5 / max(1, int(labels_N.sum())) if log else -0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
    axes.set_xlabel("reals called fake")
    axes.set_ylabel("fakes caught")
    axes.set_title(_roc_title(len(lines)), fontsize=11, loc="left")
    if lines:
        figure.legend(frameon=False, fontsize=9, loc="outside right upper", title="AUC", alignment="left")
    save(figure, path)


def _roc_title(generators: int) -> str:
    if not generators:
        return "ROC: there are not both reals and fakes"
    return f"ROC, the hardest {_MOST_CURVES} of {generators} generators" if generators > _MOST_CURVES else "ROC"


def reliability(path: Path, labels_N: Array, scores_N: Array, calibration: Calibration) -> None:
    """Draw the share of reals against the score, before and after calibration (Guo et al. 2017)."""
    labels_N, scores_N = authenticity.checked(labels_N, scores_N)
    figure, axes = canvas(5.6, 5.0)
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    both = (("before", scores_N, QUIET, "s--"), ("after", calibration.apply(scores_N), REAL, "o-"))
    for name, p_N, tone, style in both:
        bins = authenticity.reliability(labels_N, p_N)
        error = authenticity.calibration_error(labels_N, p_N)
        filled = bins.rows > 0
        x_B, y_B = bins.confidence[filled], bins.accuracy[filled]
        sizes_B = 12 + 260 * bins.rows[filled] / bins.rows.max()
        axes.scatter(x_B, y_B, s=sizes_B, color=tone, alpha=0.3, linewidths=0)
        axes.plot(x_B, y_B, style, color=tone, linewidth=1.5, ms=4, label=f"{name}, expected error {error:.3f}")
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    axes.set_xlabel("score, or calibrated probability of being real")
    axes.set_ylabel("share that is real")
    axes.set_title("Calibration", fontsize=11, loc="left")
    _legend(figure, axes)
    save(figure, path)


def robustness(path: Path, table: Mapping[str, Mapping[str, float | None]]) -> None:
    """Draw what perturbations do to the `auc` and the `fpr` of each line; the first is what they are measured by."""
    names = list(table)
    figure = Figure(figsize=(8.6, 1.3 + 0.3 * len(names)), layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 2, sharey=True)
    titles = {"auc": "AUC", "fpr": "reals called fake at 0.5"}
    for axes, (key, title), tone in zip(panels, titles.items(), (REAL, FAKE), strict=True):
        values = {place: value for place, name in enumerate(names) if (value := table[name][key]) is not None}
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(axis="x", color=GRID, linewidth=0.8)
        axes.set_axisbelow(True)
        if 0 in values:
            axes.axvline(values[0], color=INK, linewidth=0.9, linestyle=":")
            axes.hlines(list(values), values[0], list(values.values()), color=tone, linewidth=2, alpha=0.35)
        if values:  # no points at all would count as some in the picture's corner
            axes.plot(list(values.values()), list(values), "o", color=tone, ms=5, clip_on=False)
        for place, value in values.items():
            axes.text(1.02, place, f"{value:.3f}", transform=axes.get_yaxis_transform(), va="center", fontsize=8)
        axes.set_xlim(min(0.5, *values.values()) - 0.02 if key == "auc" and values else -0.02, 1)
        axes.set_title(title if values else f"{title}: there is none", fontsize=11, loc="left")
        axes.tick_params(labelsize=9, colors=INK)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].set_ylim(len(names) - 0.5, -0.5)
    save(figure, path)


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
    figure = Figure(figsize=(1.6 * _COLUMNS, 0.5 + 1.95 * lines), layout="constrained")
    FigureCanvasAgg(figure)
    cells = figure.subplots(lines, _COLUMNS, squeeze=False).flat
    for axes in cells:
        axes.set_axis_off()
    for axes, image, label, score, name in zip(figure.axes, images, labels_B, scores_B, names, strict=False):
        axes.set_axis_on()
        axes.imshow(image)
        axes.set(xticks=[], yticks=[], anchor="N")
        tone = (FAKE, REAL)[int(label)]
        for spine in axes.spines.values():
            spine.set(color=tone, linewidth=3)
        axes.set_title(f"{authenticity.CLASSES[int(label)]}, scored {score:.3f}", fontsize=9, color=tone, pad=4)
        axes.set_xlabel(short_name(name), fontsize=8, color=INK)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left", parse_math=False)
    save(figure, path)


def _legend(figure: Figure, axes: Any) -> None:
    """Put the names above the frame, where they hide nothing."""
    columns = len(axes.get_legend_handles_labels()[0])
    figure.legend(frameon=False, fontsize=9, loc="outside upper right", ncols=columns)
