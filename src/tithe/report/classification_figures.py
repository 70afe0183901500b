"""Figures of a classifier's results, as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tithe import metrics
from tithe.arrays import Array
from tithe.report.canvas import canvas, draw_legend, save, series_style, short_name
from tithe.report.palette import ACCENT, INK, LEAF, MUTED, RUST
from tithe.report.unit_square import RateCurve, Style, draw_rates, draw_reliability

# What `evaluate.write` draws, in the order in which a report shows it.
PICTURES = ("confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve", "reliability")

_NUMBERED_CLASSES = 20  # beyond these, cells are too small for numbers
_NAMED_CURVES = 8  # beyond these, there are too many to tell apart


def confusion_matrix(path: Path, matrix_CC: Array, names: Sequence[str], normalised: bool) -> None:
    """Draw rows of true classes against columns of predicted ones, as counts or as shares of each row."""
    shown_CC = matrix_CC / np.maximum(matrix_CC.sum(axis=1, keepdims=True), 1) if normalised else matrix_CC
    classes = len(names)
    side = min(18.0, max(4.6, 0.42 * classes + 2.6))
    figure, axes = canvas(side + 0.8, side)
    image = axes.imshow(shown_CC, cmap="Blues", vmin=0, vmax=1 if normalised else None)
    figure.colorbar(image, ax=axes, fraction=0.046, pad=0.03)
    short = [short_name(name) for name in names]
    axes.set_xticks(range(classes), short, rotation=90 if classes > 4 else 0)
    axes.set_yticks(range(classes), short)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    axes.set_title("Confusion matrix, shares of each true class" if normalised else "Confusion matrix, rows")
    if classes <= _NUMBERED_CLASSES:
        middle = shown_CC.max() / 2
        for (row, column), value in np.ndenumerate(shown_CC):
            text = f"{value:.2f}" if normalised else f"{int(value)}"
            color = "white" if value > middle else INK
            axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    save(figure, path)


class _Kind(NamedTuple):
    """One kind of curve over thresholds: its points for one class against the rest, and what its figure says."""

    points: Callable[[Array, Array], tuple[Array, Array]]
    area: str
    title: str
    short_title: str
    x_label: str
    y_label: str
    chance: bool


def _roc_points(is_c_N: Array, score_N: Array) -> tuple[Array, Array]:
    from sklearn.metrics import roc_curve

    false_rate_T, true_rate_T, _ = roc_curve(is_c_N, score_N)
    return false_rate_T, true_rate_T


def _pr_points(is_c_N: Array, score_N: Array) -> tuple[Array, Array]:
    from sklearn.metrics import precision_recall_curve

    precision_T, recall_T, _ = precision_recall_curve(is_c_N, score_N)
    return recall_T, precision_T


_ROC = _Kind(_roc_points, "auc_roc", "ROC", "ROC", "false positive rate", "true positive rate", chance=True)
_PR = _Kind(_pr_points, "auc_pr", "Precision and recall", "PR", "recall", "precision", chance=False)


def roc_curve(path: Path, y_true_N: Array, probs_NC: Array, names: Sequence[str]) -> None:
    """Draw the true against the false positive rate."""
    _save_curves(path, y_true_N, probs_NC, names, _ROC)


def pr_curve(path: Path, y_true_N: Array, probs_NC: Array, names: Sequence[str]) -> None:
    """Draw precision against recall."""
    _save_curves(path, y_true_N, probs_NC, names, _PR)


def _save_curves(path: Path, y_true_N: Array, probs_NC: Array, names: Sequence[str], kind: _Kind) -> None:
    area = metrics.auc(y_true_N, probs_NC)[kind.area]
    figure, axes = canvas(5.6, 5.0)
    draw_rates(axes, _curves(y_true_N, probs_NC, names, kind), kind.x_label, kind.y_label, kind.chance)
    if area is None:
        axes.set_title(f"{kind.short_title}: no class has both kinds of rows")
    else:
        axes.set_title(f"{kind.title}, area {area:.3f}")
    if area is not None and len(names) <= _NAMED_CURVES:
        draw_legend(axes)
    save(figure, path)


def _curves(y_true_N: Array, probs_NC: Array, names: Sequence[str], kind: _Kind) -> Iterator[RateCurve]:
    """Yield the curve of each class that has both kinds of rows; of two classes only the positive one's."""
    classes = probs_NC.shape[1]
    for c in [1] if classes == 2 else range(classes):
        is_c_N = y_true_N == c
        if is_c_N.any() and not is_c_N.all():
            yield RateCurve(*kind.points(is_c_N, probs_NC[:, c]), _curve_style(c, names))


def _curve_style(c: int, names: Sequence[str]) -> Style:
    """Return the look of a class's curve: one alone, one of a few, or unnamed and thin among many."""
    if len(names) > _NAMED_CURVES:
        return {"color": ACCENT, "alpha": 0.35, "linewidth": 0.8}
    look = {"color": ACCENT} if len(names) == 2 else series_style(c)
    return {**look, "linewidth": 1.6, "label": short_name(names[c])}


def reliability(path: Path, y_true_N: Array, probs_NC: Array) -> None:
    """Draw accuracy against confidence (Guo et al. 2017)."""
    error = metrics.calibration_error(y_true_N, probs_NC)
    figure, axes = canvas(5.6, 5.0)
    curve = metrics.reliability(y_true_N, probs_NC), {"color": ACCENT}
    draw_reliability(axes, [curve], "confidence of the prediction", "share that is right")
    axes.set_title(f"Calibration, expected error {error:.3f}")
    save(figure, path)


def learning_curves(path: Path, history: Sequence[dict[str, Any]]) -> None:
    """Draw the loss of training steps and of validations, and the validation F1, against optimizer steps."""
    steps = [r for r in history if r["kind"] == "train"]
    checks = [r for r in history if r["kind"] == "val"]
    figure, axes = canvas(8.6, 3.6)
    axes.plot([r["step"] for r in steps], [r["batch_loss"] for r in steps], color=MUTED, alpha=0.35, linewidth=0.8)
    smooth = _smoothed([r["batch_loss"] for r in steps])
    axes.plot([r["step"] for r in steps], smooth, color=ACCENT, linewidth=1.6, label="training loss, smoothed")
    x = [r["step"] for r in checks]
    axes.plot(x, [r["loss"] for r in checks], "o-", color=RUST, linewidth=1.4, label="validation loss")
    axes.plot(x, [r["f1"] for r in checks], "s--", color=LEAF, linewidth=1.4, label="validation F1")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("optimizer step")
    draw_legend(axes)
    save(figure, path)


def _smoothed(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Return the exponential moving average, corrected for its start."""
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out
