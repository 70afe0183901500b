"""Evaluate a checkpoint on the rows that its run held out, or on another labelled data set."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from tithe import config
from tithe.config.data import ColumnNames, Delimiter, Encoding
from tithe.config.files import override, read
from tithe.config.values import PathStr
from tithe.data import Dataset, sources
from tithe.errors import InputError
from tithe.evaluate import classification
from tithe.evaluate.results import write_results
from tithe.models.examples import Examples, Photographs
from tithe.predict import TrainedModel
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
    settings = config.section(Evaluation, raw, file.name if file else "tithe evaluate")
    if settings.layout and not settings.dataset_path:
        raise InputError("delimiter, encoding and column_names are for a labelled file: pass one with --data")
    if settings.dataset_path and "splits" in settings.model_fields_set:
        logger.warning("splits has no effect: all rows of %s are evaluated", settings.dataset_path)
    return settings


def evaluate_checkpoint(trained: TrainedModel, settings: Evaluation, out: Path) -> dict[str, dict[str, Any]]:
    """Evaluate a checkpoint on its own validation and test rows, or on every row of another data set.

    Each part gets a folder with the files of `write_results`; `metrics.csv` next to them has a row for each part.
    Images are also evaluated after harmless processing, and heat maps are drawn.

    Returns
    -------
    Scores by part: `validation` and `test`, or `data`.

    Raises
    ------
    InputError
        The file has a label unknown to the checkpoint, or the run's own data have changed or lack such a part.
    """
    trained = trained.exactly() if settings.exact else trained
    examples = _parts(trained, settings)
    outputs = {part: (rows, trained.outputs(rows)) for part, rows in examples.items()}
    results = write_results(out, trained.task, outputs, trained.labels, trained.run.seed, trained.calibration)
    for part, (rows, values) in outputs.items():
        if isinstance(rows, Photographs):
            from tithe.evaluate import robustness  # it needs the extra `image`

            scores_N = trained.task.probabilities(values)[:, 1]
            results[part]["authenticity"]["robustness"] = robustness.write(out / part, trained, rows, scores_N)
    classification.write_table(out / TABLE, [_line(part, settings, result) for part, result in results.items()])
    return results


def _line(part: str, settings: Evaluation, result: Mapping[str, Any]) -> dict[str, Any]:
    """Return the scalar metrics of a part."""
    numbers = {key: value for key, value in result.items() if not isinstance(value, list | dict)}
    return {"part": part, "checkpoint": settings.checkpoint_path, **numbers}


def _parts(trained: TrainedModel, settings: Evaluation) -> dict[str, Examples]:
    """Return the examples of each part, as `TrainedModel.inputs` gives them."""
    if settings.dataset_path is not None:
        task = trained.task.with_data(Path(settings.dataset_path), settings.layout)
        dataset, labels = task.load_labelled()
        codes_C = trained.labels.encode(labels.names)
        labelled = Dataset(dataset.table, dataset.rows, codes_C[dataset.labels], dataset.source)
        return {"data": trained.inputs(task.encode(labelled))}
    path = trained.run.data.path
    if not Path(path).exists() and not sources.is_pattern(Path(path)):
        raise InputError(f"the run's training data {path} do not exist: pass a labelled file with --data")
    splits = trained.task.load()
    trained.labels.check_same(splits.labels, path)
    if splits.fingerprint != trained.progress["made_of"]["data"]:
        raise InputError(f"{path} has changed since training: pass a labelled file with --data")
    parts = {run_files.VALIDATION: splits.val, run_files.TEST: splits.test}
    held_out = {name: rows for name, rows in parts.items() if name in settings.splits and len(rows)}
    if not held_out:
        raise InputError(f"the run held no rows out for {' and '.join(settings.splits)}: choose another split")
    examples = trained.inputs(trained.task.encode(splits.rows))
    return {name: examples.take(rows) for name, rows in held_out.items()}
