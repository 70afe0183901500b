"""The instant baseline: TF-IDF of words and a logistic regression, seconds on thousands of texts, no encoder."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.metrics.classification import summary

if TYPE_CHECKING:  # slow to import
    from sklearn.feature_extraction.text import TfidfVectorizer

PATTERN = r"(?u)\w+|[^\w\s]+"  # symbols count as words, so that no text is empty
_VOCABULARY = 10_000
_C = 10.0  # inverse strength of the L2 penalty; a row counts 1
_TOLERANCE = 1e-3  # of the gradient: half the iterations, and the same accuracy
_MOST = 20_000  # training rows of the baseline, so that it stays instant


class Labelled(NamedTuple):
    """Texts and their class indices, shape (N,)."""

    texts: Sequence[str]
    labels: Rows

    def take(self, rows: Rows) -> Labelled:
        """Return some of the texts."""
        return Labelled([self.texts[row] for row in rows], self.labels[rows])


class Baseline(NamedTuple):
    """What the baseline reached on the test texts.

    Attributes
    ----------
    predicted
        Class indices, shape (M,), for a comparison in pairs with another model's.
    accuracy, f1
        Shares of 1; F1 is the macro average over the classes that occur.
    rows
        Training texts that were used.
    seconds
        From texts to predictions.
    """

    predicted: Rows
    accuracy: float
    f1: float
    rows: int
    seconds: float


def word_baseline(train: Labelled, test: Labelled, classes: int, seed: int) -> Baseline:
    """Train TF-IDF of words with a logistic regression on texts, and test it on others, at least one of each.

    Of more than 20,000 training texts that many random ones are used. The same texts and seed give the same result.
    """
    started = time.monotonic()
    if len(train.texts) > _MOST:
        train = train.take(np.sort(np.random.default_rng([seed, 0x7F1D]).permutation(len(train.texts))[:_MOST]))
    words = vectorizer()
    train_NV, test_MV = words.fit_transform(train.texts), words.transform(test.texts)
    probs_MC = probabilities(train_NV, train.labels, np.ones(len(train.texts)), test_MV, classes)
    scores = summary(test.labels, probs_MC)
    seconds = time.monotonic() - started
    return Baseline(probs_MC.argmax(axis=1), scores["accuracy"], scores["f1"], len(train.texts), seconds)


def vectorizer() -> TfidfVectorizer:
    """Return what makes TF-IDF columns of texts: the 10,000 most frequent words, logarithms of their counts."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(token_pattern=PATTERN, max_features=_VOCABULARY, sublinear_tf=True, dtype=np.float32)


def probabilities(train_KV: Array, labels_K: Rows, weight_K: Array, test_MV: Array, classes: int) -> Array:
    """Fit a logistic regression on sparse columns, each row with its weight; return probabilities, shape (M, C).

    A class that no training row has gets the probability 0.
    """
    from sklearn.linear_model import LogisticRegression

    present = np.unique(labels_K)
    probs_MC = np.zeros((test_MV.shape[0], classes))
    if len(present) == 1:
        probs_MC[:, present[0]] = 1.0
    else:
        model = LogisticRegression(C=_C, tol=_TOLERANCE, max_iter=300)
        model.fit(train_KV, labels_K, sample_weight=weight_K)
        probs_MC[:, present] = model.predict_proba(test_MV)
    return probs_MC
