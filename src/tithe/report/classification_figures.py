"""Pictures of results, drawn without global state, as PNG files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tithe import metrics
from tithe.arrays import Array
from tithe.report.canvas import INK, LINE, QUIET, canvas, save, short_name

# What `evaluate.write` draws, in the order in which a report shows it.
PICTURES = ("confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve", "reliability")

_NAMED_CLASSES = 20  # beyond these, cells are too small for numbers and curves too many to tell apart


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
    if classes <= _NAMED_CLASSES:
        middle = shown_CC.max() / 2
        for (row, column), value in np.ndenumerate(shown_CC):
            text = f"{value:.2f}" if normalised else f"{int(value)}"
            colour = "white" if value > middle else INK
            axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=9)
    save(figure, path)


def roc_curve(path: Path, y_true_N: Array, probs_NC: Array, names: Sequence[str]) -> None:
    """Draw the true against the false positive rate."""
    from sklearn.metrics import roc_curve as curve

    def points(is_c_N: Array, score_N: Array) -> tuple[Array, Array]:
        false_rate, true_rate, _ = curve(is_c_N, score_N)
        return false_rate, true_rate

    area = metrics.auc(y_true_N, probs_NC)["auc_roc"]
    figure, axes = canvas(5.6, 5.0)
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    _draw_curves(axes, y_true_N, probs_NC, names, points)
    axes.set_xlabel("false positive rate")
    axes.set_ylabel("true positive rate")
    axes.set_title(f"ROC, area {area:.3f}" if area is not None else "ROC: no class has both kinds of rows")
    save(figure, path)


def pr_curve(path: Path, y_true_N: Array, probs_NC: Array, names: Sequence[str]) -> None:
    """Draw precision against recall."""
    from sklearn.metrics import precision_recall_curve

    def points(is_c_N: Array, score_N: Array) -> tuple[Array, Array]:
        precision, recall, _ = precision_recall_curve(is_c_N, score_N)
        return recall, precision

    area = metrics.auc(y_true_N, probs_NC)["auc_pr"]
    figure, axes = canvas(5.6, 5.0)
    _draw_curves(axes, y_true_N, probs_NC, names, points)
    axes.set_xlabel("recall")
    axes.set_ylabel("precision")
    axes.set_title(
        f"Precision and recall, area {area:.3f}" if area is not None else "PR: no class has both kinds of rows"
    )
    save(figure, path)


def reliability(path: Path, y_true_N: Array, probs_NC: Array) -> None:
    """Draw accuracy against confidence (Guo et al. 2017); on the diagonal a model knows what it knows."""
    bins = metrics.reliability(y_true_N, probs_NC)
    error = metrics.calibration_error(y_true_N, probs_NC)
    filled = bins.rows > 0
    figure, axes = canvas(5.6, 5.0)
    axes.plot([0, 1], [0, 1], color=QUIET, linestyle=":", linewidth=1)
    sizes = 12 + 260 * bins.rows[filled] / bins.rows.max()
    axes.plot(bins.confidence[filled], bins.accuracy[filled], color=LINE, linewidth=1.5)
    axes.scatter(bins.confidence[filled], bins.accuracy[filled], s=sizes, color=LINE, alpha=0.5, linewidths=0)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("confidence of the prediction")
    axes.set_ylabel("share that is right")
    axes.set_title(f"Calibration, expected error {error:.3f}")
    save(figure, path)


def learning_curves(path: Path, history: Sequence[dict[str, Any]]) -> None:
    """Draw the loss of training steps and of validations, and the validation F1, against optimizer steps."""
    steps = [r for r in history if r["kind"] == "train"]
    checks = [r for r in history if r["kind"] == "val"]
    figure, axes = canvas(8.6, 3.6)
    axes.plot([r["step"] for r in steps], [r["batch_loss"] for r in steps], color=QUIET, alpha=0.35, linewidth=0.8)
    smooth = _smoothed([r["batch_loss"] for r in steps])
    axes.plot([r["step"] for r in steps], smooth, color=LINE, linewidth=1.6, label="training loss, smoothed")
    x = [r["step"] for r in checks]
    axes.plot(x, [r["loss"] for r in checks], "o-", color="#c2542d", linewidth=1.4, label="validation loss")
    axes.plot(x, [r["f1"] for r in checks], "s--", color="#2b8a5e", linewidth=1.4, label="validation F1")
    axes.set_ylim(bottom=0)
    axes.set_xlabel("optimizer step")
    axes.legend(frameon=False, fontsize=9)
    save(figure, path)


def _smoothed(values: Sequence[float], keep: float = 0.9) -> list[float]:
    """Return the exponential moving average, corrected for its start."""
    out, mean, weight = [], 0.0, 0.0
    for value in values:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        out.append(mean / weight)
    return out


def _draw_curves(axes: Any, y_true_N: Array, probs_NC: Array, names: Sequence[str], points: Any) -> None:
    """Draw one curve for two classes, one for each of a few, and unnamed thin ones for many."""
    classes = probs_NC.shape[1]
    for c in [1] if classes == 2 else range(classes):
        is_c_N = y_true_N == c
        if not is_c_N.any() or is_c_N.all():
            continue
        x, y = points(is_c_N, probs_NC[:, c])
        many = classes > 8
        style = {"color": LINE, "alpha": 0.35, "linewidth": 0.8} if many else {"linewidth": 1.6}
        axes.plot(
            x, y, label=None if many else short_name(names[c]), **({"color": LINE} if classes == 2 else {}), **style
        )
    if classes <= 8 and axes.get_legend_handles_labels()[0]:
        axes.legend(frameon=False, fontsize=9)
    axes.set_xlim(-0.01, 1.01)
    axes.set_ylim(-0.01, 1.01)
