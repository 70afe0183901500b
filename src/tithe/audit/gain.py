"""What these data can teach, in seconds: the instant baseline beside the frozen encoder, and what more rows would gain.

A fifth of the rows, a few thousand at most, judges; all readers are trained on the others, or on a part of many.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tithe import metrics
from tithe.arrays import Array, Rows
from tithe.compare.significance import Difference, Predictions, difference
from tithe.data.cross_validation import folds, standardised
from tithe.metrics.words import Labelled, word_baseline
from tithe.select.buying.expect import Expectation, Measured, continued
from tithe.select.signals import linear_probes

_FOLDS = 5  # one of them judges
_JUDGES = 4000
_SHARES = (0.0625, 0.125, 0.25, 0.5, 1.0)  # of the training rows
_DRAWS = 2  # parts of each size
_RESAMPLES = 1000
_TAIL = 2.5  # percent on each side of an interval


class Scores(NamedTuple):
    """What a kind of model reached on the judging rows."""

    accuracy: float
    f1: float


@dataclass(frozen=True)
class Gain:
    """What was measured.

    Attributes
    ----------
    trained, judged
        Rows.
    readers
        `majority`, the most frequent class; `tfidf` of words, and the frozen `encoder`, both with a linear head.
    lead
        Accuracy of the frozen encoder minus that of TF-IDF, and its 95 % interval over the judging rows.
    curve
        Rows, accuracy and its interval, of the frozen encoder with a linear head.
    doubled
        The curve continued to twice the rows that there are; None where there are too few.
    """

    trained: int
    judged: int
    readers: dict[str, Scores]
    lead: Difference
    curve: list[tuple[int, float, float, float]]
    doubled: Expectation | None


def measure(texts: Sequence[str], X_KD: Array, labels_K: Rows, rows: int, seed: int) -> Gain:
    """Train the readers on four fifths of some rows, and judge them on the others.

    Parameters
    ----------
    texts, X_KD, labels_K
        Of the rows, at least two of two classes: all that there are, or a part of them.
    rows
        How many there are.
    """
    fold_K, classes = folds(labels_K, _FOLDS, seed), int(labels_K.max()) + 1
    rng = np.random.default_rng([seed, 0x6A14])
    judges = np.sort(rng.permutation(np.flatnonzero(fold_K == 0))[:_JUDGES])
    train = rng.permutation(np.flatnonzero(fold_K != 0))
    X_KD = standardised(X_KD)
    strength = linear_probes.best_strength(X_KD[train], labels_K[train], seed)
    measured, guess_M = _curve(X_KD, labels_K, train, judges, strength, rng)
    all_texts = Labelled(texts, labels_K)
    words = word_baseline(all_texts.take(np.sort(train)), all_texts.take(judges), classes, seed)
    truth_M = labels_K[judges]
    majority_M = np.full(len(judges), np.bincount(labels_K[train]).argmax())
    named = {"majority": majority_M, "tfidf": words.predicted, "encoder": guess_M}
    readers = {name: _scores(truth_M, predicted_M, classes) for name, predicted_M in named.items()}
    of_words, of_encoder = (Predictions(p_M, np.ones(len(p_M))) for p_M in (words.predicted, guess_M))
    lead = difference("accuracy", truth_M, of_words, of_encoder)
    doubled = continued(measured, rows, rows, seed) if len(measured.size_S) > 2 else None
    return Gain(len(train), len(judges), readers, lead, _with_intervals(measured, rng), doubled)


def _curve(
    X_KD: Array, labels_K: Rows, train: Rows, judges: Rows, strength: float, rng: np.random.Generator
) -> tuple[Measured, Rows]:
    """Return how often heads of growing parts were right, and what that of all training rows answered."""
    size_S = np.unique([max(2, round(share * len(train))) for share in _SHARES])
    right_MS = np.zeros((len(judges), len(size_S)))
    guess_M = judges
    for s, size in enumerate(size_S):
        draws = [rng.permutation(train)[:size] for _ in range(_DRAWS)] if size < len(train) else [train]
        for drawn in draws:
            guess_M = linear_probes.predicted(X_KD[drawn], labels_K[drawn], X_KD[judges], strength)
            right_MS[:, s] += (guess_M == labels_K[judges]) / len(draws)
    return Measured(size_S, right_MS), guess_M


def _scores(truth_M: Rows, predicted_M: Rows, classes: int) -> Scores:
    scores = metrics.summary(truth_M, np.eye(classes, dtype=np.float32)[predicted_M])
    return Scores(scores["accuracy"], scores["f1"])


def _with_intervals(measured: Measured, rng: np.random.Generator) -> list[tuple[int, float, float, float]]:
    judges = len(measured.right_MS)
    drawn_BS = np.stack([measured.right_MS[rng.integers(0, judges, judges)].mean(axis=0) for _ in range(_RESAMPLES)])
    low_S, high_S = np.percentile(drawn_BS, [_TAIL, 100 - _TAIL], axis=0)
    mean_S = measured.right_MS.mean(axis=0)
    return [
        (int(size), float(mean), float(low), float(high))
        for size, mean, low, high in zip(measured.size_S, mean_S, low_S, high_S, strict=True)
    ]
