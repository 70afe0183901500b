"""The instant baseline of images: a logistic regression on plain statistics; a detector should know more."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tithe.arrays import Array, Rows
from tithe.imaging import statistics
from tithe.metrics import authenticity
from tithe.models.examples import Photographs

ROWS = 400  # of training and of evaluation, at most: seconds, also with large photographs
_STRENGTH = 0.01  # of the regression: there are about as many statistics as rows


def score(train: Photographs, evaluated: Photographs) -> dict[str, Any] | None:
    """Train the baseline on the centre crops of training images, and score it on others.

    Returns
    -------
    `auc` with its `interval_95`, `accuracy`, the `rows` of training and the `evaluated` ones, and `seconds`; None
    where one of them lacks a class.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    started = time.monotonic()
    trained, asked = train.take(_some(train.labels)), evaluated.take(_some(evaluated.labels))
    if min(len(np.unique(part.labels)) for part in (trained, asked)) < len(authenticity.CLASSES):
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(C=_STRENGTH, max_iter=1000))
    model.fit(_statistics(trained), trained.labels)
    scores = authenticity.summary(asked.labels, model.predict_proba(_statistics(asked))[:, 1])
    return {
        **{name: scores[name] for name in ("auc", "accuracy")},
        "interval_95": authenticity.interval(scores),
        "rows": len(trained),
        "evaluated": len(asked),
        "seconds": round(time.monotonic() - started, 2),
    }


def _statistics(examples: Photographs) -> Array:
    """Return the statistics of the centre crop of every image, shape (N, F)."""
    return np.stack([statistics.plain(examples.centre(row)) for row in range(len(examples))])


def _some(labels_N: Rows) -> Rows:
    """Return the places of at most `ROWS` rows, evenly spaced within each class, which keeps its share."""
    every = -(-len(labels_N) // ROWS) or 1
    return np.sort(np.concatenate([np.flatnonzero(labels_N == label)[::every] for label in (0, 1)]))
