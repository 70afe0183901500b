"""Evaluate a network's outputs: the metrics and figures of every task, and those of images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array
from tithe.data import LabelMap
from tithe.evaluate import classification
from tithe.evaluate.authenticity import write_authenticity
from tithe.metrics.calibration import Calibration, calibrate
from tithe.models.examples import Examples, GeneratorLabelled
from tithe.storage.run_files import CALIBRATION, VALIDATION
from tithe.tasks import Task


def write_results(
    out: Path,
    task: Task,
    outputs: Mapping[str, tuple[Examples, Array]],
    labels: LabelMap,
    seed: int,
    calibration: Calibration | None = None,
) -> dict[str, dict[str, Any]]:
    """Write a folder for each part of the data; return the metrics by part.

    Parameters
    ----------
    outputs
        By part: its examples, and the network's outputs for them.
    calibration
        Source of the verdicts on real or fake; when unset, it is fitted on the validation part and written to `out`.
    """
    results: dict[str, dict[str, Any]] = {}
    for part, (examples, values) in outputs.items():
        probs_NC = task.probabilities(values)
        results[part] = classification.write(out / part, examples, probs_NC, labels, seed)
        if isinstance(examples, GeneratorLabelled):
            if part == VALIDATION and calibration is None and len(np.unique(examples.labels)) == 2:
                calibration = calibrate(examples.labels, probs_NC[:, 1], task.run.images.error)
                storage.write_json(out / CALIBRATION, calibration.to_dict())
            results[part]["authenticity"] = write_authenticity(out / part, examples, probs_NC[:, 1], calibration)
    return results
