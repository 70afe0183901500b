"""Evaluate probabilities against labels: write metrics, tables and figures into one folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import metrics, storage
from tithe.arrays import Array
from tithe.data import LabelMap
from tithe.models.examples import Labelled
from tithe.predict import class_column
from tithe.report import class_curves, classification_figures
from tithe.storage import run_files


def scores(
    y_true_N: Array, probs_NC: Array, ranking: metrics.OneVsRest, names: Sequence[str], seed: int
) -> dict[str, Any]:
    """Return every metric of a report: summary, areas, calibration, intervals, per class, confusion matrix."""
    matrix_CC = metrics.confusion(y_true_N, probs_NC.argmax(axis=1), len(names))
    columns = metrics.per_class(matrix_CC)
    table = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *columns, strict=True)
    ]
    return {
        "rows": len(y_true_N),
        **metrics.summary(y_true_N, probs_NC),
        **ranking.means(),
        "calibration_error": metrics.calibration_error(y_true_N, probs_NC),
        "interval_95": metrics.bootstrap(y_true_N, probs_NC, seed),
        "per_class": table,
        "confusion_matrix": matrix_CC.tolist(),
    }


def write(folder: Path, rows: Labelled, probs_NC: Array, labels: LabelMap, seed: int) -> dict[str, Any]:
    """Write `metrics.json`, `per_class.csv`, `predictions.parquet` and the figures; return the metrics."""
    names = [str(name) for name in labels.names]
    y_true_N = rows.labels
    ranking = metrics.one_vs_rest(y_true_N, probs_NC)
    result = scores(y_true_N, probs_NC, ranking, names, seed)
    storage.write_json(folder / run_files.METRICS, result)
    write_table(folder / run_files.PER_CLASS, result["per_class"])
    _write_predictions(folder / run_files.PREDICTIONS, rows, probs_NC, names)
    matrix_CC = np.array(result["confusion_matrix"])
    classification_figures.confusion_matrix(folder / "confusion_matrix.png", matrix_CC, names, normalised=False)
    classification_figures.confusion_matrix(
        folder / "confusion_matrix_normalized.png", matrix_CC, names, normalised=True
    )
    class_curves.roc(folder / "roc_curve.png", y_true_N, probs_NC, ranking, names)
    class_curves.pr(folder / "pr_curve.png", y_true_N, probs_NC, ranking, names)
    classification_figures.reliability(folder / "reliability.png", y_true_N, probs_NC)
    return result


def write_table(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, no cell of which is a formula; the keys of the first one are the header."""
    with storage.atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(lines[0]))
        table.writeheader()
        table.writerows({key: storage.csv_cell(value) for key, value in line.items()} for line in lines)


def _write_predictions(path: Path, rows: Labelled, probs_NC: Array, names: Sequence[str]) -> None:
    """Write label, prediction and the probability of every class of each row; `row` is its position in the data file.

    A column for each class, as in the files of `tithe predict`: it names its class without a second file, and readers
    that need a few columns, such as `tithe compare`, read only those.
    """
    classes, best_N = np.array(names, dtype=object), probs_NC.argmax(axis=1)
    columns = {
        "row": rows.ids,
        "label": classes[rows.labels],
        "predicted": classes[best_N],
        "probability": probs_NC.max(axis=1),
        "probability_of_label": probs_NC[np.arange(len(best_N)), rows.labels],
        **{class_column(name): probs_N for name, probs_N in zip(names, probs_NC.T, strict=True)},
    }
    with storage.atomic_file(path) as temporary:
        pq.write_table(pa.table(columns), temporary)
