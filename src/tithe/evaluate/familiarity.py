"""Which images a detector on an encoder knows nothing of: those far from its training images, as features."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tithe.arrays import Rows
from tithe.metrics.distance import ClassDistance
from tithe.models.features import Features
from tithe.predict import abstention
from tithe.predict.abstention import Abstention

_MOST = 5000  # images of the training, and as many of validation


def sample(rows: Rows) -> Rows:
    """Return the images of a part that are looked at: all, or an even part of many."""
    chosen: Rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST)).astype(int)]
    return chosen


def save(checkpoint: Path, trained: Features, held_out: Features, columns: int, share: float) -> Abstention:
    """Choose the limit that a share of the validation images is beyond, and save it with the distance.

    Parameters
    ----------
    checkpoint
        The folder whose verdicts it is for.
    trained, held_out
        Features of a `sample` of the training images, and of one of the validation images.
    columns
        How many of the features the distance is of: the first ones.
    """
    distance = ClassDistance.fit(np.asarray(trained.values[trained.rows, :columns]), trained.labels)
    limit = float(np.quantile(distance.to(np.asarray(held_out.values[held_out.rows])), 1 - share))
    rule = Abstention(np.zeros(2), distance, limit)
    account = {"target": {"far": share}, "validation_rows": len(held_out), "classes": []}
    abstention.save(checkpoint, rule, account)
    return rule
