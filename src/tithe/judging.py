"""Evaluation of what a network gave for some rows: the numbers and pictures of every task, and those of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from tithe import authenticity, authenticity_figures, checkpoint, evaluate, records
from tithe.calibration import Calibration, calibrate
from tithe.data import LabelMap
from tithe.trained import Trained

Array = np.ndarray[Any, np.dtype[Any]]
CALIBRATION = "calibration.json"


@runtime_checkable
class Made(evaluate.Labelled, Protocol):
    """Rows that were made by something: 0 fake, 1 real, and the generator of each, of shape (N,)."""

    @property
    def generators(self) -> Array: ...  # noqa: D102


def write(
    out: Path,
    task: Any,
    outputs: Mapping[str, tuple[Any, Any]],
    labels: LabelMap,
    seed: int,
    calibration: Calibration | None = None,
) -> dict[str, dict[str, Any]]:
    """Write a folder for each part of the data; return the numbers by part.

    Parameters
    ----------
    outputs
        By part: its examples, and what the network gave for them.
    calibration
        What the verdicts on real or fake follow; fitted on the validation part, and written beside, when unset.
    """
    found: dict[str, dict[str, Any]] = {}
    for part, (examples, values) in outputs.items():
        probs_NC = task.probabilities(values)
        found[part] = evaluate.write(out / part, examples, probs_NC, labels, seed)
        if isinstance(examples, Made):
            if part == "validation" and calibration is None and len(np.unique(examples.labels)) == 2:
                calibration = calibrate(examples.labels, probs_NC[:, 1], task.settings.error)
                records.write_json(out / CALIBRATION, calibration.to_dict())
            found[part]["authenticity"] = _authenticity(out / part, examples, probs_NC[:, 1], calibration)
    return found


def calibration_of(model: Trained) -> Calibration | None:
    """Return the calibration that lies in a model's checkpoint; None where there is none, or it is of other weights."""
    path = model.folder / CALIBRATION
    if not path.exists():
        return None
    fitted, weights = checkpoint.weights(model.folder), model.model.state_dict()
    if not all(torch.equal(value.cpu(), fitted[name]) for name, value in weights.items()):
        return None  # an epoch's file stands beside the best checkpoint, and is opened with what lies in that
    return Calibration.from_dict(records.read_json(path))


def _authenticity(folder: Path, made: Made, scores_N: Array, calibration: Calibration | None) -> dict[str, Any]:
    """Write what the field asks of a detector: areas and rates, by generator, and how the verdicts fall."""
    lines = authenticity.per_generator(made.labels, scores_N, made.generators)
    result: dict[str, Any] = {**authenticity.summary(made.labels, scores_N), "per_generator": lines}
    authenticity_figures.histogram(folder / "scores.png", made.labels, scores_N, calibration)
    authenticity_figures.roc(folder / "roc_by_generator.png", made.labels, scores_N, made.generators, log=True)
    if calibration:
        verdicts_N = np.array(calibration.verdicts(scores_N))
        result["verdicts"] = {
            name: {verdict: int((verdicts_N[made.labels == label] == verdict).sum()) for verdict in _VERDICTS}
            for label, name in enumerate(authenticity.CLASSES)
        }
        authenticity_figures.reliability(folder / "calibration.png", made.labels, scores_N, calibration)
    records.write_json(folder / "authenticity.json", result)
    if lines:
        evaluate.write_table(folder / "per_generator.csv", lines)
    return result


_VERDICTS = ("fake", "unsure", "real")
