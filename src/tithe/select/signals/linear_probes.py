"""Linear models on embeddings that predict rows they were not fit on: out-of-fold probabilities, short proxy runs."""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.cross_validation import folds, parts, standardised

_STEPS, _RATE = 30, 0.05  # of a short run: long enough to learn what is easy, too short to memorise


def out_of_fold(X_ND: Array, labels_N: Rows, classes: int, count: int, seed: int) -> Array:
    """Return class probabilities of each row by a logistic regression that was not fit on it, shape (N, C).

    A class that a fold's other rows lack has probability 0 there.
    """
    from sklearn.linear_model import LogisticRegression

    probs_NC = np.zeros((len(labels_N), classes))
    X_ND = standardised(X_ND)
    for inside, outside in parts(folds(labels_N, count, seed)):
        present = np.unique(labels_N[inside])
        if len(present) == 1:
            probs_NC[outside, present[0]] = 1.0
            continue
        model = LogisticRegression(C=0.05, max_iter=300).fit(X_ND[inside], labels_N[inside])
        probs_NC[np.ix_(outside, present)] = model.predict_proba(X_ND[outside])
    return probs_NC


def short_runs(X_ND: Array, labels_N: Rows, classes: int, runs: int, count: int, seed: int) -> Array:
    """Return out-of-fold probabilities of several short trainings from different first weights, shape (N, R, C)."""
    probs_NRC = np.zeros((len(labels_N), runs, classes), dtype=np.float32)
    X_ND = standardised(X_ND)
    for run in range(runs):
        rng = np.random.default_rng([seed, 0xE12, run])
        for inside, outside in parts(folds(labels_N, count, seed + run)):
            weights_DC, bias_C = _trained(X_ND[inside], labels_N[inside], classes, rng)
            probs_NRC[outside, run] = softmax(X_ND[outside] @ weights_DC + bias_C)
    return probs_NRC


def softmax(logits_NC: Array) -> Array:
    """Return probabilities along the last axis."""
    exp = np.exp(logits_NC - logits_NC.max(axis=-1, keepdims=True))
    probs: Array = exp / exp.sum(axis=-1, keepdims=True)
    return probs


def _trained(X_ND: Array, labels_N: Rows, classes: int, rng: np.random.Generator) -> tuple[Array, Array]:
    """Train a softmax regression by Adam (Kingma & Ba 2015) on batches of a quarter of the rows."""
    weights = rng.normal(0, 0.01, (X_ND.shape[1] + 1, classes)).astype(np.float32)
    first: Array = np.zeros_like(weights)
    second: Array = np.zeros_like(weights)
    size = max(1, len(labels_N) // 4)
    for step in range(1, _STEPS + 1):
        rows = rng.choice(len(labels_N), size, replace=False)
        error_BC = softmax(X_ND[rows] @ weights[:-1] + weights[-1])
        error_BC[np.arange(size), labels_N[rows]] -= 1
        grad = np.concatenate([X_ND[rows].T @ error_BC, error_BC.sum(axis=0, keepdims=True)]) / size
        first, second = 0.9 * first + 0.1 * grad, 0.999 * second + 0.001 * grad**2
        weights -= _RATE * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
    return weights[:-1], weights[-1]
