"""The verdict on an image, and why it is unsure: what a detector of fakes says, and what it does not know.

A detector knows the generators that it was trained on. Of a picture without their traces it says just that, and it
answers "unsure" where its answer means little: between its two thresholds, far from everything that it was trained on,
or where harmless processing turns the answer round.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.imaging import Pixels, degradations
from tithe.metrics.calibration import Calibration, Verdict
from tithe.models.foundation.detector import Foundation
from tithe.predict.model import TrainedModel
from tithe.tasks import ImageTask

NO_TRACE = "no trace of the generators known to this model"
# Why a verdict is unsure, where it is not for its score.
UNCALIBRATED, FAR, TURNS = "not calibrated", "unlike the training images", "turned by harmless processing"


class Judged(NamedTuple):
    """The score of an image, the calibrated probability of real, the verdict, and why it is unsure beside its score."""

    score: float
    probability: float | None
    verdict: Verdict
    why: str | None = None


def judge(model: TrainedModel, calibration: Calibration | None, images: Sequence[Pixels]) -> list[Judged]:
    """Return the verdicts on images in memory.

    On a foundation encoder, images that are far from those of the training are unsure, and so is a verdict that is
    another one after harmless processing; this takes a pass for each of `degradations.HARMLESS`.
    """
    task = model.task
    assert isinstance(task, ImageTask)
    probs_N2, embeddings_ND = model.batch_answers(task.batch(images))
    scores_N = probs_N2[:, 1]
    if calibration is None:
        return [Judged(float(score), None, "unsure", UNCALIBRATED) for score in scores_N]
    verdicts = calibration.verdicts(scores_N)
    why: list[str | None] = [None] * len(verdicts)
    if model.abstention:
        far_N = model.abstention.abstains(probs_N2, embeddings_ND)
        why = [FAR if far else reason for far, reason in zip(far_N, why, strict=True)]
    if isinstance(model.model, Foundation):
        why = _turning(model, calibration, images, verdicts, why)
    probabilities_N = calibration.apply(scores_N)
    return [
        Judged(float(score), float(probability), "unsure" if reason else verdict, reason)
        for score, probability, verdict, reason in zip(scores_N, probabilities_N, verdicts, why, strict=True)
    ]


def _turning(
    model: TrainedModel,
    calibration: Calibration,
    images: Sequence[Pixels],
    verdicts: Sequence[Verdict],
    why: list[str | None],
) -> list[str | None]:
    """Return why each verdict is unsure, also where harmless processing makes a real image fake or a fake one real."""
    assert isinstance(model.task, ImageTask)
    opposite = {"real": "fake", "fake": "real"}
    for change in degradations.HARMLESS.values():
        sure = [row for row, verdict in enumerate(verdicts) if verdict in opposite and why[row] is None]
        if not sure:
            break
        changed = [change(images[row]) for row in sure]
        scores_N: Array = model.batch_probabilities(model.task.batch(changed))[:, 1]
        for row, verdict in zip(sure, calibration.verdicts(np.asarray(scores_N)), strict=True):
            if verdict == opposite[verdicts[row]]:
                why[row] = TURNS
    return why
