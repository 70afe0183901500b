"""Another reader of the chosen rows: a linear model of words, which shares nothing with the encoder that chose them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tithe import metrics
from tithe.arrays import Array, Rows
from tithe.data import Splits

_WORDS = r"(?u)\w+|[^\w\s]+"  # symbols count as words, so that no text is empty
_VOCABULARY = 10_000
_C = 10.0  # inverse strength of the L2 penalty; a row counts 1
_TOLERANCE = 1e-3  # of the gradient: half the iterations, and the same accuracy


def described(encoder: str | None) -> str:
    """Return what reads the rows, in words: an encoder, as `model.encoder` names it, or None."""
    return f"a logistic regression on {f'frozen {Path(encoder).name}' if encoder else 'TF-IDF of words'}"


class WordReader:
    """Logistic regression on TF-IDF of words, trained on chosen rows of a pool and tested on the test rows.

    Words and their frequencies are those of all training texts, whichever rows are chosen: texts cost nothing.
    """

    def __init__(self, splits: Splits) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._classes, pool, test = len(splits.labels), *map(splits.rows.take, (splits.split.train, splits.test))
        words = TfidfVectorizer(token_pattern=_WORDS, max_features=_VOCABULARY, sublinear_tf=True, dtype=np.float32)
        self._pool_NV, self._pool_labels_N = words.fit_transform(pool.inputs()), pool.labels
        self._test_MV, self._test_labels_M = words.transform(test.inputs()), test.labels

    def read(self, rows_K: Rows, weight_K: Array) -> dict[str, float]:
        """Train on rows of the pool, each with its weight in the loss; return `metrics.summary` of the test rows."""
        from sklearn.linear_model import LogisticRegression

        labels_K = self._pool_labels_N[rows_K]
        present = np.unique(labels_K)
        probs_MC = np.zeros((len(self._test_labels_M), self._classes))
        if len(present) == 1:
            probs_MC[:, present[0]] = 1.0
        else:
            model = LogisticRegression(C=_C, tol=_TOLERANCE, max_iter=300)
            model.fit(self._pool_NV[rows_K], labels_K, sample_weight=weight_K)
            probs_MC[:, present] = model.predict_proba(self._test_MV)
        return metrics.summary(self._test_labels_M, probs_MC)
