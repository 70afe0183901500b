"""The instant baseline: TF-IDF and a linear head, which take seconds; a network should know more."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from tithe import metrics
from tithe.arrays import Rows
from tithe.data import Dataset
from tithe.metrics import words

ROWS = 20_000  # of training and of evaluation, at most
_SHARE = 0.05  # of the run's own time, which the baseline may take
# Seconds, estimated high for a slow core: to import scikit-learn; for a character; for a row and class.
_START, _CHARACTER, _ROW = 1.5, 1e-6, 1.5e-5


def is_affordable(train: Dataset, evaluated: Dataset, classes: int, seconds: float) -> bool:
    """Return whether the baseline takes a small part of the time that a run took."""
    rows = _some(len(train))
    characters = np.mean([len(text) for text in train.take(rows[:100]).inputs()]) if len(rows) else 0.0
    read = len(rows) + min(ROWS, len(evaluated))
    return bool(_START + _CHARACTER * characters * read + _ROW * len(rows) * classes <= _SHARE * seconds)


def score(train: Dataset, evaluated: Dataset, classes: int) -> dict[str, Any]:
    """Train the baseline on training rows and score it on others.

    Returns
    -------
    `accuracy` and `f1` (macro), the `rows` of training, and `seconds`.
    """
    from sklearn.linear_model import RidgeClassifier
    from sklearn.pipeline import make_pipeline

    started = time.monotonic()
    trained, asked = train.take(_some(len(train))), evaluated.take(_some(len(evaluated)))
    # Least squares in at most 20 iterations: a logistic regression needs a search for each class.
    model = make_pipeline(words.vectorizer(), RidgeClassifier(solver="sparse_cg", tol=1e-2, max_iter=20))
    model.fit(trained.inputs(), trained.labels)
    predicted_N = model.predict(asked.inputs())
    scores = metrics.summary(asked.labels, np.eye(classes)[predicted_N])
    return {
        **{name: scores[name] for name in ("accuracy", "f1")},
        "rows": len(trained),
        "seconds": round(time.monotonic() - started, 2),
    }


def _some(rows: int) -> Rows:
    """Return so many evenly spaced places that there are not too many."""
    return np.arange(0, rows, -(-rows // ROWS) or 1)
