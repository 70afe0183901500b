"""Another reader of the chosen rows: a linear model of words, which shares nothing with the encoder that chose them."""

from __future__ import annotations

from pathlib import Path

from tithe import metrics
from tithe.arrays import Array, Rows
from tithe.data import Splits
from tithe.metrics import words
from tithe.report.words import Phrase, say


def described(encoder: str | None) -> Phrase:
    """Return what reads the rows, in words: an encoder, as `model.encoder` names it, or None."""
    if encoder:
        return say("a logistic regression on frozen {encoder}", encoder=Path(encoder).name)
    return say("a logistic regression on TF-IDF of words")


class WordReader:
    """Logistic regression on TF-IDF of words, trained on chosen rows of a pool and tested on the test rows.

    Words and their frequencies are those of all training texts, whichever rows are chosen: texts cost nothing.
    """

    def __init__(self, splits: Splits) -> None:
        self._classes, pool, test = len(splits.labels), *map(splits.rows.take, (splits.split.train, splits.test))
        columns = words.vectorizer()
        self._pool_NV, self._pool_labels_N = columns.fit_transform(pool.inputs()), pool.labels
        self._test_MV, self._test_labels_M = columns.transform(test.inputs()), test.labels

    def read(self, rows_K: Rows, weight_K: Array) -> dict[str, float]:
        """Train on rows of the pool, each with its weight in the loss; return `metrics.summary` of the test rows."""
        rows_KV, labels_K = self._pool_NV[rows_K], self._pool_labels_N[rows_K]
        probs_MC = words.probabilities(rows_KV, labels_K, weight_K, self._test_MV, self._classes)
        return metrics.summary(self._test_labels_M, probs_MC)
