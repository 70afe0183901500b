"""Which images a detector on an encoder knows nothing of: those far from its training images, as features."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from tithe.arrays import Rows
from tithe.metrics.distance import ClassDistance
from tithe.models.features import Features
from tithe.predict import abstention
from tithe.predict.abstention import Abstention

_MOST = 5000  # training images that the distance is fitted on


class Part(NamedTuple):
    """The rows and the columns of features that a distance is fitted on.

    Attributes
    ----------
    train, validation
        Positions in the features.
    columns
        The first ones, as many as this.
    """

    train: Rows
    validation: Rows
    columns: int


def save(checkpoint: Path, features: Features, part: Part, share: float) -> Abstention:
    """Choose the limit that a share of the validation images is beyond, and save it with the distance.

    Parameters
    ----------
    checkpoint
        The folder whose verdicts it is for.
    features
        Those of all rows.
    """
    train = part.train
    some = features.take(train[np.linspace(0, len(train) - 1, min(len(train), _MOST)).astype(int)])
    distance = ClassDistance.fit(np.asarray(some.values[some.rows, : part.columns]), some.labels)
    held_out = features.take(part.validation)
    limit = float(np.quantile(distance.to(np.asarray(held_out.values[held_out.rows])), 1 - share))
    rule = Abstention(np.zeros(2), distance, limit)
    account = {"target": {"far": share}, "validation_rows": len(part.validation), "classes": []}
    abstention.save(checkpoint, rule, account)
    return rule
