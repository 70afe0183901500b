"""Evaluate a checkpoint on the rows that its run held out, or on another labelled data set."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tithe import config, storage
from tithe.config.data import ColumnNames, Delimiter, Encoding
from tithe.config.files import override, read
from tithe.config.values import PathStr
from tithe.data import Dataset, Splits, sources
from tithe.errors import InputError
from tithe.evaluate import classification, targets
from tithe.evaluate.results import write_results
from tithe.evaluate.targets import Target
from tithe.models import features
from tithe.models.examples import Examples, Photographs
from tithe.predict import TrainedModel, load
from tithe.report.result import scores_html
from tithe.storage import run_files

logger = logging.getLogger("tithe")

TABLE = "metrics.csv"


class Evaluation(config.Section):
    """Settings of an evaluation: the content of the file of `tithe evaluate --config`."""

    checkpoint_path: PathStr = Field(description="checkpoint, folder of checkpoints, or a file inside one")
    dataset_path: PathStr | None = Field(
        None, description="labelled file, evaluated on all rows; the run's own rows when unset"
    )
    splits: Annotated[tuple[Literal["validation", "test"], ...], Field(strict=False, min_length=1)] = Field(
        ("validation", "test"), description="which of the run's own rows"
    )
    artifacts_dir: PathStr = Field("artifacts", description="folder in which each evaluation gets its own folder")
    delimiter: Delimiter = None
    encoding: Encoding = "utf-8"
    column_names: ColumnNames = None
    exact: bool = Field(False, description="one row at a time in float32; as the run's own evaluation when unset")
    target: Target | None = Field(None, description="choose when to abstain, and save it in the checkpoint")
    name: Annotated[str, Field(pattern=r"^\w[\w.\-]*$")] | None = Field(
        None, description="folder of this evaluation; the name of the run when unset"
    )

    @property
    def layout(self) -> config.Layout | None:
        """How the labelled file is written; None where no setting says so."""
        given = {key: value for key, value in self if key in config.Layout.model_fields}
        return config.Layout(**given) if given.keys() & self.model_fields_set else None


def read_settings(file: Path | None, overrides: Sequence[str], options: Mapping[str, Any]) -> Evaluation:
    """Read the settings of an evaluation: a file, overridden by `key=value` settings, then by other options.

    Raises
    ------
    InputError
        The first mistake, in one line.
    """
    raw = read(file)[1] if file else {}
    raw |= dict(map(override, overrides))
    raw |= options
    if "checkpoint_path" not in raw:
        where = f"checkpoint_path in {file.name}" if file else "--config FILE"
        raise InputError(f"no checkpoint to evaluate: pass -c CHECKPOINT, or {where}")
    return _checked(raw, file.name if file else "tithe evaluate")


def _checked(raw: Mapping[str, Any], source: str) -> Evaluation:
    settings = config.section(Evaluation, raw, source)
    if settings.layout and not settings.dataset_path:
        raise InputError("delimiter, encoding and column_names are for a labelled file: pass one with --data")
    if settings.dataset_path and settings.target:
        raise InputError("a target is chosen on the run's own validation rows: leave out the labelled file")
    if settings.dataset_path and "splits" in settings.model_fields_set:
        logger.warning("splits has no effect: all rows of %s are evaluated", settings.dataset_path)
    return settings


@dataclass(frozen=True)
class EvaluationResult:
    """Scores by part of the data, and the folder of their files. A notebook shows them as a table."""

    folder: Path
    scores: dict[str, dict[str, Any]]

    def _repr_html_(self) -> str:
        return scores_html("evaluation", self.scores, [("metrics and figures", str(self.folder))])


def evaluate(
    checkpoint: str | PathLike[str],
    data: str | PathLike[str] | None = None,
    out: str | PathLike[str] | None = None,
    splits: Sequence[str] | None = None,
    exact: bool = False,
    target: Mapping[str, float] | None = None,
) -> EvaluationResult:
    """Evaluate a checkpoint on the rows that its run held out, or on every row of a labelled file.

    Parameters
    ----------
    checkpoint
        What `load` takes.
    data
        Labelled file; the run's own rows when unset.
    out
        Folder for metrics, predictions and figures; `artifacts/NAME` when unset, as for `tithe evaluate`.
    splits
        Which of the run's own rows: "validation", "test", or both when unset.
    exact
        One row at a time in float32; as the run's own evaluation otherwise.
    target
        Choose on the validation rows when to abstain, such as `{"precision": 0.95}`, and save it in the checkpoint.

    Raises
    ------
    InputError
        An argument is wrong; see `evaluate_checkpoint`.

    Examples
    --------
    >>> tithe.evaluate("runs/first").scores["test"]["accuracy"]
    >>> tithe.evaluate("runs/first", "other.parquet", out="artifacts/other").scores["data"]["confusion_matrix"]
    """
    own = {"checkpoint_path": os.fspath(checkpoint), "exact": exact}
    given = {"dataset_path": os.fspath(data) if data else None, "splits": splits, "target": target}
    raw = own | {key: value for key, value in given.items() if value is not None}
    return evaluate_by(_checked(raw, "tithe.evaluate"), Path(storage.expand_home(os.fspath(out))) if out else None)


def evaluate_by(settings: Evaluation, out: Path | None) -> EvaluationResult:
    """Evaluate as settings say, into a folder, or into that of the settings; see `evaluate_checkpoint`."""
    storage.check_writable_folder(out or Path(settings.artifacts_dir))
    trained = load(settings.checkpoint_path)
    folder = out or Path(settings.artifacts_dir) / (settings.name or trained.run.name)
    storage.check_writable_folder(folder)
    return EvaluationResult(folder, evaluate_checkpoint(trained, settings, folder))


def evaluate_checkpoint(trained: TrainedModel, settings: Evaluation, out: Path) -> dict[str, dict[str, Any]]:
    """Evaluate a checkpoint on its own validation and test rows, or on every row of another data set.

    Each part gets a folder with the files of `write_results`; `metrics.csv` next to them has a row for each part.
    Images are also evaluated after harmless processing, and heat maps are drawn.

    Returns
    -------
    Scores by part: `validation` and `test`, or `data`; with a target also `abstention`, the account of `set_target`.

    Raises
    ------
    InputError
        The file has a label unknown to the checkpoint, or the run's own data have changed or lack such a part.
    """
    trained = trained.exactly() if settings.exact else trained
    account: dict[str, Any] | None = None
    if settings.target:
        splits = own_splits(trained, "thresholds are chosen on its validation rows")
        trained, account = targets.set_target(trained, settings.target, splits)
    examples = _parts(trained, settings)
    read = {part: trained.outputs_to_answer(rows) for part, rows in examples.items()}
    outputs = {part: (rows, read[part][0]) for part, rows in examples.items()}
    calibration = trained.temperature or trained.calibration
    results = write_results(out, trained.task, outputs, trained.labels, trained.run.seed, calibration)
    for part, (rows, values) in outputs.items():
        if trained.abstention:
            probs_NC = trained.calibrated(values)
            results[part] |= targets.answered(trained.abstention, rows.labels, probs_NC, read[part][1])
            storage.write_json(out / part / run_files.METRICS, results[part])
        photographs = features.origin(rows)
        if isinstance(photographs, Photographs):
            from tithe.evaluate import robustness  # it needs the extra `image`

            scores_N = trained.task.probabilities(values)[:, 1]
            results[part]["authenticity"]["robustness"] = robustness.write(out / part, trained, photographs, scores_N)
    classification.write_table(out / TABLE, [_line(part, settings, result) for part, result in results.items()])
    return results if account is None else {**results, "abstention": account}


def _line(part: str, settings: Evaluation, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalar metrics of a part."""
    numbers = {key: value for key, value in result.items() if not isinstance(value, list | dict)}
    return {"part": part, "checkpoint": settings.checkpoint_path, **numbers}


def _parts(trained: TrainedModel, settings: Evaluation) -> dict[str, Examples]:
    """Return the examples of each part, as `TrainedModel.inputs` gives them."""
    if settings.dataset_path is not None:
        task = trained.task.with_data(Path(settings.dataset_path), settings.layout)
        dataset, labels, dropped = task.load_labelled()
        if left_out := sum(dropped.values()):
            logger.warning(
                "%s: %d of %d rows are left out (%s)",
                *(settings.dataset_path, left_out, left_out + len(dataset)),
                ", ".join(f"{reason} {count}" for reason, count in dropped.items() if count),
            )
        codes_C = trained.labels.encode(labels.names)
        labelled = Dataset(dataset.table, dataset.rows, codes_C[dataset.labels], dataset.source)
        return {"data": trained.inputs(task.encode(labelled))}
    splits = own_splits(trained, "pass a labelled file with --data")
    parts = {run_files.VALIDATION: splits.val, run_files.TEST: splits.test}
    held_out = {name: rows for name, rows in parts.items() if name in settings.splits and len(rows)}
    if not held_out:
        raise InputError(f"the run held no rows out for {' and '.join(settings.splits)}: choose another split")
    examples = trained.inputs(trained.task.encode(splits.rows))
    return {name: examples.take(rows) for name, rows in held_out.items()}


def own_splits(trained: TrainedModel, cure: str) -> Splits:
    """Read the rows of a checkpoint's own run, split as they were; `cure` is what to do where they can't be read.

    Raises
    ------
    InputError
        The data are missing, or have changed.
    """
    path = trained.run.data.path
    if not Path(path).exists() and not sources.is_pattern(Path(path)):
        raise InputError(f"the run's training data {path} do not exist: {cure}")
    splits = trained.task.load()
    trained.labels.check_same(splits.labels, path)
    if splits.fingerprint != trained.progress["made_of"]["data"]:
        raise InputError(f"{path} has changed since training: {cure}")
    return splits
