"""Evaluate a detector of fakes: areas and rates by generator, and counts of verdicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array
from tithe.evaluate import classification
from tithe.metrics import authenticity
from tithe.metrics.calibration import Calibration
from tithe.models.examples import GeneratorLabelled
from tithe.report import authenticity_figures
from tithe.storage import run_files

_VERDICTS = ("fake", "unsure", "real")


def write_authenticity(
    folder: Path, rows: GeneratorLabelled, scores_N: Array, calibration: Calibration | None
) -> dict[str, Any]:
    """Write the standard metrics of a detector: areas and rates, by generator, and counts of verdicts."""
    lines = authenticity.per_generator(rows.labels, scores_N, rows.generators)
    result: dict[str, Any] = {**authenticity.summary(rows.labels, scores_N), "per_generator": lines}
    authenticity_figures.histogram(folder / "scores.png", rows.labels, scores_N, calibration)
    authenticity_figures.roc(folder / "roc_by_generator.png", rows.labels, scores_N, rows.generators, log=True)
    if calibration:
        verdicts_N = np.array(calibration.verdicts(scores_N))
        result["verdicts"] = {
            name: {verdict: int((verdicts_N[rows.labels == label] == verdict).sum()) for verdict in _VERDICTS}
            for label, name in enumerate(authenticity.CLASSES)
        }
        authenticity_figures.reliability(folder / "calibration.png", rows.labels, scores_N, calibration)
    storage.write_json(folder / run_files.AUTHENTICITY, result)
    if lines:
        classification.write_table(folder / run_files.PER_GENERATOR, lines)
    return result
