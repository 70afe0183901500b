"""Robustness of a detector to processing that does not change an image's origin, and heat maps of where it looks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from tithe import storage
from tithe.arrays import Array
from tithe.evaluate import classification, heatmaps
from tithe.imaging import degradations
from tithe.metrics import authenticity
from tithe.models.examples import Photographs
from tithe.predict import TrainedModel
from tithe.progress import bar
from tithe.report import authenticity_figures

AS_IT_IS = "as it is"
_SWEEP_IMAGES, _WORST_IMAGES, _HEAT_MAPS = 200, 24, 4


def write(folder: Path, trained: TrainedModel, examples: Photographs, scores_N: Array) -> list[dict[str, Any]]:
    """Write the sweep over processed images, the worst mistakes, and heat maps of a few images.

    The sweep takes the centres of at most 200 images, drawn class by class. A real image that is called fake after
    ordinary processing is the mistake that users meet first.

    Parameters
    ----------
    scores_N
        Scores of the unprocessed images, shape (N,).

    Returns
    -------
    One record per change: its name, the AUC, and the share of real images called fake at a threshold of 0.5.
    """
    sample = examples.take(_sample_rows(examples.labels, np.random.default_rng(trained.run.seed)))
    table: dict[str, dict[str, float | None]] = {}
    with bar("processing", len(sample) * (1 + len(degradations.NAMES)), "images") as tick:
        for name in (AS_IT_IS, *degradations.NAMES):
            changed = sample.changed(None if name == AS_IT_IS else name)
            scores = authenticity.summary(sample.labels, trained.probabilities(changed, tick=tick)[:, 1])
            table[name] = {"auc": scores["auc"], "fpr": scores["fpr"]}
    authenticity_figures.robustness(folder / "robustness.png", table)
    lines = [{"change": name, **numbers} for name, numbers in table.items()]
    classification.write_table(folder / "robustness.csv", lines)
    storage.write_json(folder / "robustness.json", lines)
    _show(folder, trained, examples, scores_N)
    return lines


def _show(folder: Path, trained: TrainedModel, examples: Photographs, scores_N: Array) -> None:
    """Draw the most wrongly classified images on one sheet, and heat maps of the first of them."""
    rows = authenticity.most_wrong(examples.labels, scores_N, _WORST_IMAGES)
    images = [examples.whole(int(row)) for row in rows]
    names = [Path(path).name for path in examples.take(rows).paths]
    title = "Worst mistakes" if len(rows) else "No mistakes at 0.5"
    sheet = folder / "most_wrong.png"
    authenticity_figures.contact_sheet(sheet, images, examples.labels[rows], scores_N[rows], names, title)
    mapped = rows[:_HEAT_MAPS] if len(rows) else np.argsort(np.abs(scores_N - 0.5), kind="stable")[:_HEAT_MAPS]
    for place, row in enumerate(mapped, start=1):
        crop_HW3 = examples.centre(int(row))
        heat_HW = heatmaps.occlusion(trained.model, crop_HW3)
        name = Path(examples.take(np.array([row])).paths[0]).name
        truth = authenticity.CLASSES[int(examples.labels[row])]
        heatmaps.overlay(folder / f"heat_{place}.png", crop_HW3, heat_HW, f"{name}: {truth}, score {scores_N[row]:.3f}")


def _sample_rows(labels_N: Array, rng: np.random.Generator) -> Array:
    """Return at most `_SWEEP_IMAGES` rows, drawn half from each class, in ascending order."""
    half = _SWEEP_IMAGES // 2
    drawn = [rng.permutation(np.flatnonzero(labels_N == label))[:half] for label in (0, 1)]
    return np.sort(np.concatenate(drawn))
