"""Evaluate probabilities against labels: write metrics, tables and figures into one folder."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tithe import metrics, storage
from tithe.arrays import Array
from tithe.data import LabelMap
from tithe.imaging import folders
from tithe.models.examples import Labelled, Photographs
from tithe.predict import class_column
from tithe.report import class_curves, classification_figures
from tithe.storage import run_files
from tithe.storage.run_files import UNCALIBRATED

_GROUP = 1 << 20  # rows that are written at once


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


class Calibrated(NamedTuple):
    """A temperature, and the probabilities that it gives, shape (N, C)."""

    temperature: float
    probs_NC: Array


def write(
    folder: Path, rows: Labelled, probs_NC: Array, labels: LabelMap, seed: int, calibrated: Calibrated | None = None
) -> dict[str, Any]:
    """Write `metrics.json`, `per_class.csv`, `predictions.parquet` and the figures; return the metrics.

    Parameters
    ----------
    probs_NC
        The network's own probabilities, shape (N, C): all metrics and figures are of these, and can be compared with
        those of the training and of runs without a temperature.
    calibrated
        Adds `temperature`, `loss_calibrated` and `calibration_error_calibrated`. The predictions are then those of
        `tithe predict`, with these probabilities.
    """
    names = [str(name) for name in labels.names]
    y_true_N = rows.labels
    ranking = metrics.one_vs_rest(y_true_N, probs_NC)
    result = scores(y_true_N, probs_NC, ranking, names, seed)
    if calibrated:
        result |= _calibrated_scores(y_true_N, calibrated)
    storage.write_json(folder / run_files.METRICS, result)
    write_table(folder / run_files.PER_CLASS, result["per_class"])
    _write_predictions(folder / run_files.PREDICTIONS, rows, probs_NC, names, calibrated)
    matrix_CC = np.array(result["confusion_matrix"])
    classification_figures.confusion_matrix(folder / "confusion_matrix.png", matrix_CC, names, normalised=False)
    classification_figures.confusion_matrix(
        folder / "confusion_matrix_normalized.png", matrix_CC, names, normalised=True
    )
    class_curves.roc(folder / "roc_curve.png", y_true_N, probs_NC, ranking, names)
    class_curves.pr(folder / "pr_curve.png", y_true_N, probs_NC, ranking, names)
    shown = {"of the network": probs_NC, **({"calibrated": calibrated.probs_NC} if calibrated else {})}
    classification_figures.reliability(folder / "reliability.png", y_true_N, shown)
    return result


def _calibrated_scores(y_true_N: Array, calibrated: Calibrated) -> dict[str, float]:
    return {
        "temperature": calibrated.temperature,
        "loss_calibrated": metrics.log_loss(y_true_N, calibrated.probs_NC),
        "calibration_error_calibrated": metrics.calibration_error(y_true_N, calibrated.probs_NC),
    }


def write_table(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as CSV, no cell of which is a formula; the keys of the first one are the header."""
    with storage.atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(lines[0]))
        table.writeheader()
        table.writerows({key: storage.csv_cell(value) for key, value in line.items()} for line in lines)


def _write_predictions(
    path: Path, rows: Labelled, own_NC: Array, names: Sequence[str], calibrated: Calibrated | None
) -> None:
    """Write label, prediction and the probability of every class of each row.

    `row` is its position in the data file, `path` that of a photograph from the folder of its data set. A column for
    each class, as in the files of `tithe predict`: it names its class without a second file, and readers that need a
    few columns, such as `tithe compare`, read only those.
    """
    starts = range(0, max(1, len(own_NC)), _GROUP)
    parts = (pa.table(_columns(rows, own_NC, names, calibrated, slice(at, at + _GROUP))) for at in starts)
    first = next(parts)
    with storage.atomic_file(path) as temporary, pq.ParquetWriter(temporary, first.schema) as file:
        for part in itertools.chain([first], parts):
            file.write_table(part)


def _columns(
    rows: Labelled, own_NC: Array, names: Sequence[str], calibrated: Calibrated | None, some: slice
) -> dict[str, Any]:
    """Return the columns of some rows."""
    labels_R, own_RC, classes = rows.labels[some], own_NC[some], pa.array(names, pa.string())
    probs_RC = calibrated.probs_NC[some] if calibrated else own_RC
    each_R = np.arange(len(own_RC))
    return {
        "row": rows.ids[some],
        **(
            {"path": pa.array(list(map(folders.shown, rows.paths[some])), pa.string())}
            if isinstance(rows, Photographs)
            else {}
        ),
        "label": classes.take(pa.array(labels_R)),
        "predicted": classes.take(pa.array(own_RC.argmax(axis=1))),
        "probability": probs_RC.max(axis=1),
        "probability_of_label": probs_RC[each_R, labels_R],
        **({UNCALIBRATED: own_RC[each_R, labels_R]} if calibrated else {}),
        **{class_column(name): probs_R for name, probs_R in zip(names, probs_RC.T, strict=True)},
    }
