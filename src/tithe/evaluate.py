"""Evaluation of probabilities against labels: numbers, tables and pictures in one folder."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import Field

from tithe import config, configfile, figures, metrics, records
from tithe.data import Dataset, LabelMap, ingest, load
from tithe.errors import InputError
from tithe.trained import Trained

Array = np.ndarray[Any, np.dtype[Any]]
PREDICTIONS = "predictions.parquet"
TABLE = "metrics.csv"


class Evaluation(config.Section):
    """What an evaluation is asked for; the file of `tithe evaluate --config`."""

    checkpoint_path: str = Field(description="checkpoint, folder of checkpoints, or a file inside one")
    dataset_path: str | None = Field(None, description="labelled file to evaluate whole; the run's own rows when unset")
    splits: Annotated[tuple[Literal["validation", "test"], ...], Field(strict=False, min_length=1)] = Field(
        ("validation", "test"), description="which of the run's own rows"
    )
    artifacts_dir: str = Field("artifacts", description="folder in which each evaluation gets one of its own")
    name: Annotated[str, Field(pattern=r"^\w[\w.\-]*$")] | None = Field(
        None, description="folder of this evaluation; the name of the run when unset"
    )


def asked(file: Path | None, overrides: Sequence[str], given: Mapping[str, Path | None]) -> Evaluation:
    """Read what an evaluation is asked for: a file, then `key=value` settings, then what was given besides.

    Raises
    ------
    InputError
        Anything that is not exactly right, in one line.
    """
    raw = configfile.read(file)[1] if file else {}
    raw |= dict(map(configfile.override, overrides))
    raw |= {key: str(path) for key, path in given.items() if path}
    if "checkpoint_path" not in raw:
        where = f"checkpoint_path in {file.name}" if file else "--config FILE"
        raise InputError(f"no checkpoint to evaluate: pass -c CHECKPOINT, or {where}")
    return config.section(Evaluation, raw, file.name if file else "tithe evaluate")


class Labelled(Protocol):
    """Rows whose classes are known: their class indices and positions in the data file, each of shape (N,)."""

    @property
    def labels(self) -> Array: ...  # noqa: D102
    @property
    def ids(self) -> Array: ...  # noqa: D102


def scores(y_true_N: Array, probs_NC: Array, names: Sequence[str], seed: int) -> dict[str, Any]:
    """Return every number that a report shows: summary, areas, calibration, intervals, classes, matrix."""
    matrix_CC = metrics.confusion(y_true_N, probs_NC.argmax(axis=1), len(names))
    classes = metrics.per_class(matrix_CC)
    table = [
        {"class": name, "precision": float(p), "recall": float(r), "f1": float(f), "rows": int(n)}
        for name, p, r, f, n in zip(names, *classes, strict=True)
    ]
    return {
        "rows": len(y_true_N),
        **metrics.summary(y_true_N, probs_NC),
        **metrics.areas(y_true_N, probs_NC),
        "calibration_error": metrics.calibration_error(y_true_N, probs_NC),
        "interval_95": metrics.bootstrap(y_true_N, probs_NC, seed),
        "per_class": table,
        "confusion_matrix": matrix_CC.tolist(),
    }


def write(folder: Path, rows: Labelled, probs_NC: Array, labels: LabelMap, seed: int) -> dict[str, Any]:
    """Write `metrics.json`, `per_class.csv`, `predictions.parquet` and the pictures; return the numbers."""
    names = [str(name) for name in labels.names]
    y_true_N = rows.labels
    result = scores(y_true_N, probs_NC, names, seed)
    records.write_json(folder / "metrics.json", result)
    write_table(folder / "per_class.csv", result["per_class"])
    _write_predictions(folder / PREDICTIONS, rows, probs_NC, names)
    matrix_CC = np.array(result["confusion_matrix"])
    figures.confusion_matrix(folder / "confusion_matrix.png", matrix_CC, names, normalised=False)
    figures.confusion_matrix(folder / "confusion_matrix_normalized.png", matrix_CC, names, normalised=True)
    figures.roc_curve(folder / "roc_curve.png", y_true_N, probs_NC, names)
    figures.pr_curve(folder / "pr_curve.png", y_true_N, probs_NC, names)
    figures.reliability(folder / "reliability.png", y_true_N, probs_NC)
    return result


def write_table(path: Path, lines: Sequence[Mapping[str, Any]]) -> None:
    """Write lines with the keys of the first as CSV."""
    with records.atomic_file(path) as aside, aside.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(lines[0]))
        table.writeheader()
        table.writerows(lines)


def _write_predictions(path: Path, rows: Labelled, probs_NC: Array, names: Sequence[str]) -> None:
    """Write what was right and wrong row by row; `row` is the position in the data file."""
    classes, best_N = np.array(names, dtype=object), probs_NC.argmax(axis=1)
    columns = {
        "row": rows.ids,
        "label": classes[rows.labels],
        "predicted": classes[best_N],
        "probability": probs_NC.max(axis=1),
        "probability_of_label": probs_NC[np.arange(len(best_N)), rows.labels],
    }
    with records.atomic_file(path) as aside:
        pq.write_table(pa.table(columns), aside)


def checkpoint(trained: Trained, asked: Evaluation, out: Path) -> dict[str, dict[str, Any]]:
    """Evaluate a checkpoint on its own validation and test rows, or on every row of another file.

    A folder for each part holds what `write` writes; `metrics.csv` above them has a line for each.

    Returns
    -------
    Scores by part: `validation` and `test`, or `data`.

    Raises
    ------
    InputError
        A label of the file is unknown to the checkpoint, the run's own data have changed, or they have no such part.
    """
    results: dict[str, dict[str, Any]] = {}
    for part, dataset in _parts(trained, asked).items():
        probs_NC = trained.probabilities(trained.task.encode(dataset))
        results[part] = write(out / part, dataset, probs_NC, trained.labels, trained.run.seed)
    write_table(out / TABLE, [_line(part, asked, result) for part, result in results.items()])
    return results


def _line(part: str, asked: Evaluation, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the single numbers of a part, without its tables, intervals and matrix."""
    numbers = {key: value for key, value in result.items() if not isinstance(value, list | dict)}
    return {"part": part, "checkpoint": asked.checkpoint_path, **numbers}


def _parts(trained: Trained, asked: Evaluation) -> dict[str, Dataset]:
    settings = trained.run.data
    if asked.dataset_path is not None:
        other = config.Data(
            path=asked.dataset_path, text_column=settings.text_column, label_column=settings.label_column
        )
        dataset, labels, _ = ingest(other)
        codes_C = trained.labels.encode(labels.names)
        return {"data": Dataset(dataset.table, dataset.rows, codes_C[dataset.labels], dataset.source)}
    if not Path(settings.path).exists():
        raise InputError(
            f"no data file {settings.path}, on which the run was trained: pass a labelled file with --data"
        )
    splits = load(settings, trained.run.seed)
    trained.labels.check_same(splits.labels, settings.path)
    if splits.fingerprint != trained.progress["made_of"]["data"]:
        raise InputError(f"{settings.path} has other rows than at training: pass a labelled file with --data")
    parts = {"validation": splits.everything.take(splits.val), "test": splits.everything.take(splits.test)}
    found: dict[str, Dataset] = {name: part for name, part in parts.items() if name in asked.splits and len(part)}
    if not found:
        raise InputError(f"the run held no rows out for {' and '.join(asked.splits)}: choose another split")
    return found
