"""Figures of a classifier's results, as PNG files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from tithe import metrics
from tithe.arrays import Array
from tithe.report.canvas import canvas, draw_legend, save, short_name
from tithe.report.palette import ACCENT, INK, LEAF, MUTED, RUST
from tithe.report.unit_square import draw_reliability

_COLORS = (ACCENT, LEAF)  # of the network itself, and calibrated

# What `evaluate.write` draws, in the order in which a report shows it.
PICTURES = ("confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve", "reliability")

NUMBERED_CLASSES = 20  # beyond these, the cells of a confusion matrix are too small for numbers
_LABELLED_CLASSES = 60  # beyond these, names along its axes would overlap


def confusion_matrix(path: Path, matrix_CC: Array, names: Sequence[str], normalised: bool) -> None:
    """Draw rows of true classes against columns of predicted ones, as counts or as shares of each row.

    The cells have numbers if there are at most 20 classes, the axes names if there are at most 60.
    """
    shown_CC = matrix_CC / np.maximum(matrix_CC.sum(axis=1, keepdims=True), 1) if normalised else matrix_CC
    classes = len(names)
    side = min(12.0, max(4.6, 0.42 * classes + 2.6)) if classes <= _LABELLED_CLASSES else 9.0
    figure, axes = canvas(side + 0.8, side)
    image = axes.imshow(shown_CC, cmap="Blues", vmin=0, vmax=1 if normalised else None, interpolation="nearest")
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    numbered = "" if classes <= _LABELLED_CLASSES else " class, by its line in per_class.csv, from 0"
    axes.set_xlabel(f"predicted{numbered}")
    axes.set_ylabel(f"true{numbered}")
    if not numbered:
        short = [short_name(name) for name in names]
        axes.set_xticks(range(classes), short, rotation=90 if classes > 4 else 0)
        axes.set_yticks(range(classes), short)
        if classes > NUMBERED_CLASSES:
            axes.tick_params(labelsize=7)
    axes.set_title("Confusion matrix, shares of each true class" if normalised else "Confusion matrix, rows")
    if classes <= NUMBERED_CLASSES:
        _write_cells(axes, shown_CC, matrix_CC, normalised)
    save(figure, path)


def _write_cells(axes: Axes, shown_CC: Array, matrix_CC: Array, normalised: bool) -> None:
    """Write the counts into the cells; in a normalised matrix below the shares."""
    middle = shown_CC.max() / 2
    for (row, column), value in np.ndenumerate(shown_CC):
        count = f"{int(matrix_CC[row, column])}"
        text = f"{value:.2f}\n{count}" if normalised else count
        color = "white" if value > middle else INK
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=8 if normalised else 9)


def reliability(path: Path, y_true_N: Array, probabilities: Mapping[str, Array]) -> None:
    """Draw accuracy against confidence (Guo et al. 2017), for each of the named probabilities, shape (N, C)."""
    figure, axes = canvas(5.6, 5.0)
    curves = []
    for (name, probs_NC), color in zip(probabilities.items(), _COLORS, strict=False):
        label = f"{name}, expected error {metrics.calibration_error(y_true_N, probs_NC):.3f}"
        curves.append((metrics.reliability(y_true_N, probs_NC), {"color": color, "label": label}))
    draw_reliability(axes, curves, "confidence of the prediction", "share that is right")
    axes.set_title("Calibration")
    draw_legend(axes)
    save(figure, path)


def learning_curves(path: Path, history: Sequence[dict[str, Any]]) -> None:
    """Draw the loss of training steps and of validations, and the validation F1, against optimizer steps."""
    steps = [r for r in history if r["kind"] == "train"]
    checks = [r for r in history if r["kind"] == "val"]
    figure, axes = canvas(8.6, 3.6)
    axes.plot([r["step"] for r in steps], [r["batch_loss"] for r in steps], color=MUTED, alpha=0.35, linewidth=0.8)
    smooth = smoothed([r["batch_loss"] for r in steps])
    axes.plot([r["step"] for r in steps], smooth, color=ACCENT, linewidth=1.6, label="training loss, smoothed")
    x = [r["step"] for r in checks]
    axes.plot(x, [r["loss"] for r in checks], "o-", color=RUST, linewidth=1.4, label="validation loss")
    axes.plot(x, [r["f1"] for r in checks], "s--", color=LEAF, linewidth=1.4, label="validation F1")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("optimizer step")
    draw_legend(axes)
    save(figure, path)


def smoothed(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Return the exponential moving average, corrected for its start."""
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out
