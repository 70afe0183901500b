"""Evaluate a network's outputs: the metrics and figures of every task, and those of images."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array, on_disk
from tithe.data import LabelMap
from tithe.evaluate import classification
from tithe.evaluate.authenticity import write_authenticity
from tithe.evaluate.classification import Calibrated
from tithe.metrics.calibration import Calibration, calibrate
from tithe.metrics.temperature import Temperature
from tithe.models import features
from tithe.models.examples import Examples, GeneratorLabelled
from tithe.storage.run_files import CALIBRATION, METRICS, VALIDATION
from tithe.tasks import Task

logger = logging.getLogger("tithe")

_ROWS = 1 << 16  # whose probabilities are computed at once


def write_results(
    out: Path,
    task: Task,
    outputs: Mapping[str, tuple[Examples, Array]],
    labels: LabelMap,
    seed: int,
    calibration: Calibration | Temperature | None = None,
) -> dict[str, dict[str, Any]]:
    """Write a folder for each part of the data; return the metrics by part.

    Parameters
    ----------
    outputs
        By part: its examples, and the network's outputs for them.
    calibration
        The temperature of a classifier, of which there is none when unset; or the source of a detector's verdicts,
        which is fitted on the validation part and written to `out` when unset.
    """
    results: dict[str, dict[str, Any]] = {}
    temperature = calibration if isinstance(calibration, Temperature) else None
    calibration = calibration if isinstance(calibration, Calibration) else None
    for part, (inputs, values) in outputs.items():
        examples = features.origin(inputs)
        probs_NC = _in_blocks(task.probabilities, values)
        calibrated = None
        if temperature:
            cooled_NC = _in_blocks(lambda part: task.probabilities(temperature.apply(part)), values)
            calibrated = Calibrated(temperature.temperature, cooled_NC)
        results[part] = classification.write(out / part, examples, probs_NC, labels, seed, calibrated)
        if isinstance(examples, GeneratorLabelled):
            # Under one name one thing: `loss` is what validation minimised, which for a detector is not the log loss.
            own = {"log_loss": results[part]["loss"], **task.scores(examples.labels, values)}
            results[part] = {**results[part], **own}
            storage.write_json(out / part / METRICS, results[part])
            if part == VALIDATION and calibration is None and len(np.unique(examples.labels)) == 2:
                calibration = calibrate(examples.labels, probs_NC[:, 1], task.run.images.error)
                storage.write_json(out / CALIBRATION, calibration.to_dict())
            results[part]["authenticity"] = write_authenticity(out / part, examples, probs_NC[:, 1], calibration)
    return results


def _in_blocks(probabilities: Callable[[Array], Array], outputs: Array) -> Array:
    """Return the probabilities of all rows, shape (N, C), in a file where they are many."""
    first = probabilities(outputs[:_ROWS])
    if len(outputs) <= _ROWS:
        return first
    probs_NC = on_disk((len(outputs), first.shape[1]), first.dtype)
    probs_NC[:_ROWS] = first
    for start in range(_ROWS, len(outputs), _ROWS):
        probs_NC[start : start + _ROWS] = probabilities(outputs[start : start + _ROWS])
    return np.asarray(probs_NC)


def fit_temperature(out: Path, outputs: Mapping[str, tuple[Examples, Array]]) -> Temperature | None:
    """Fit a classifier's temperature on the validation part, and write it to `out`.

    None without validation rows, and for detectors, which have a calibration of their own.
    """
    if VALIDATION not in outputs:
        logger.info("no validation rows: the probabilities are not calibrated")
        return None
    inputs, values = outputs[VALIDATION]
    examples = features.origin(inputs)
    if isinstance(examples, GeneratorLabelled):
        return None
    temperature = Temperature.fit(examples.labels, values)
    storage.write_json(out / CALIBRATION, temperature.to_dict())
    return temperature
