"""Linear models on embeddings that predict rows they were not fit on: out-of-fold probabilities, short proxy runs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tithe import storage
from tithe.arrays import Array, Rows, on_disk
from tithe.data.cross_validation import folds, parts, standardised

if TYPE_CHECKING:  # slow to import
    from sklearn.linear_model import LogisticRegression

_C = 0.05  # inverse strength of the L2 penalty, of columns of variance 1
_STRENGTHS = (0.002, 0.005, 0.02, 0.05, 0.2)  # inverse penalties to choose from
_ROUGH = 1e-3  # gradient at which a fit for this choice ends: only the order of the losses matters
_FOLDS, _DECIDE = 3, 4000  # of this choice for a head: folds, and most rows
_STEPS, _RATE = 30, 0.05  # of a short run: long enough to learn what is easy, too short to memorise


def out_of_fold(X_ND: Array, labels_N: Rows, classes: int, count: int, seed: int, strength: float = _C) -> Array:
    """Return class probabilities of each row by a logistic regression that was not fit on it, shape (N, C).

    A class that a fold's other rows lack has probability 0 there. `strength` is the inverse of the L2 penalty, of
    columns of variance 1.
    """
    probs_NC = on_disk((len(labels_N), classes), np.float64)
    X_ND = standardised(X_ND)
    for inside, outside in parts(folds(labels_N, count, seed)):
        present = np.unique(labels_N[inside])
        if len(present) == 1:
            probs_NC[outside, present[0]] = 1.0
            continue
        model = _regression(X_ND[inside], labels_N[inside], strength)
        probs_NC[np.ix_(outside, present)] = model.predict_proba(X_ND[outside])
    return probs_NC


def fitted(
    X_ND: Array, rows_K: Rows, labels_K: Rows, strength: float = _C, weight_K: Array | None = None
) -> tuple[Array, str]:
    """Fit a logistic regression on some rows; return every row's probabilities, and the SHA-256 of its coefficients.

    The columns are standardised by all rows, whose labels need not be known. Probabilities have the shape (N, C), C the
    classes among `labels_K`, in their order. `strength` is as of `out_of_fold`; a row of weight 2 counts as two.
    """
    if len(np.unique(labels_K)) == 1:
        return np.ones((len(X_ND), 1)), storage.digest_bytes(labels_K.tobytes())
    X_ND = standardised(X_ND)
    model = _regression(X_ND[rows_K], labels_K, strength, weight_K)
    probs_NC: Array = model.predict_proba(X_ND)
    return probs_NC, storage.digest_bytes(model.coef_.tobytes() + model.intercept_.tobytes())


def predicted(X_KD: Array, labels_K: Rows, X_ND: Array, strength: float) -> Rows:
    """Return the classes of rows, shape (N,), by a logistic regression fit on others; the columns are standardised."""
    if len(np.unique(labels_K)) == 1:
        return np.full(len(X_ND), labels_K[0])
    guess_N: Rows = _regression(X_KD, labels_K, strength).predict(X_ND)
    return guess_N


def _regression(
    X_KD: Array,
    labels_K: Rows,
    strength: float,
    weight_K: Array | None = None,
    start: LogisticRegression | None = None,
) -> LogisticRegression:
    """Return a logistic regression, `start` fitted on, if any.

    That few rows have many classes is no reason for a warning.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
        model = start or _unfitted()
        return model.set_params(C=strength).fit(X_KD, labels_K, sample_weight=weight_K)


def _unfitted(tolerance: float = 1e-4) -> LogisticRegression:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=300, warm_start=True, tol=tolerance)


def best_strength(X_KD: Array, labels_K: Rows, seed: int, most: int = 1000, weight_K: Array | None = None) -> float:
    """Return the inverse L2 penalty of the least log loss on held-out rows, among few values.

    At most so many random rows decide: the inverse is the variance of a prior, and does not grow with the rows. A row
    of weight 2 counts as two.
    """
    rng = np.random.default_rng([seed, 0x57E])
    rows = rng.permutation(len(labels_K))
    rows = np.sort((rows if weight_K is None else rows[weight_K[rows] > 0])[:most])
    labels_R = np.unique(labels_K[rows], return_inverse=True)[1]
    if len(rows) < _FOLDS or labels_R.max() == 0:
        return _C
    weight_R = np.ones(len(rows)) if weight_K is None else weight_K[rows]
    return _STRENGTHS[int(np.argmin(_held_out_losses(standardised(X_KD[rows]), labels_R, weight_R, seed)))]


def _held_out_losses(X_RD: Array, labels_R: Rows, weight_R: Array, seed: int) -> Array:
    """Return the weighted log loss of each strength on rows that models were not fit on; see `out_of_fold`."""
    losses = np.zeros(len(_STRENGTHS))
    for inside, outside in parts(folds(labels_R, _FOLDS, seed)):
        X_IP, X_OP = in_their_span(X_RD[inside], X_RD[outside])
        probs_SR = np.zeros((len(_STRENGTHS), len(outside)))  # of the rows' own labels
        present = np.unique(labels_R[inside])
        is_known_R = np.isin(labels_R[outside], present)
        place_R = np.searchsorted(present, labels_R[outside][is_known_R])
        model = _unfitted(_ROUGH) if len(present) > 1 and is_known_R.any() else None
        for s, strength in enumerate(_STRENGTHS if model else ()):  # from strong to weak: a warm start each
            model = _regression(X_IP, labels_R[inside], strength, weight_R[inside], model)
            probs_SR[s, is_known_R] = model.predict_proba(X_OP[is_known_R])[np.arange(len(place_R)), place_R]
        if model is None:
            probs_SR[:, is_known_R] = 1.0
        losses -= np.log(probs_SR.clip(1e-3)) @ weight_R[outside]
    return losses


def in_their_span(X_ID: Array, X_OD: Array) -> tuple[Array, Array]:
    """Return rows, and others, in coordinates of what the former span: with an L2 penalty, weights have no other part.

    Few rows of wide columns are fit many times as fast so, and their models predict the same.
    """
    if len(X_ID) >= X_ID.shape[1]:
        return X_ID, X_OD
    basis_DI, _ = np.linalg.qr(X_ID.T)
    return X_ID @ basis_DI, X_OD @ basis_DI


def of_all(X_ND: Array, labels_N: Rows, classes: int, seed: int) -> dict[str, Array]:
    """Fit a head on all rows, with the penalty that these want; return the signals of it, by name.

    Its probabilities, shape (N, C), a class that no row has at 0; the labels; and λ of the loss that it minimises, mean
    cross-entropy + λ/2 ‖weights‖², the same for each row.
    """
    strength = best_strength(standardised(X_ND), labels_N, seed, _DECIDE)
    probs_NC = on_disk((len(labels_N), classes), np.float64)
    probs_NC[:, np.unique(labels_N)] = fitted(X_ND, np.arange(len(labels_N)), labels_N, strength)[0]
    penalty = 1 / (strength * len(labels_N))
    return {"head_probs": probs_NC, "head_labels": labels_N, "head_penalty": np.full(len(labels_N), penalty)}


class Head(NamedTuple):
    """A softmax regression on columns that are standardised first.

    Attributes
    ----------
    mean, deviation
        Of each column, shape (D,).
    weights, bias
        Shapes (C, D) and (C,); a class that no row had has the bias −∞.
    """

    mean: Array
    deviation: Array
    weights: Array
    bias: Array

    def probs(self, X_MD: Array, classes: int) -> Array:
        """Return the probabilities of rows, shape (M, classes): 0 for classes beyond those that the head knows."""
        probs_MC = np.zeros((len(X_MD), classes))
        probs_MC[:, : len(self.bias)] = softmax(((X_MD - self.mean) / self.deviation) @ self.weights.T + self.bias)
        return probs_MC


def head(X_ND: Array, labels_N: Rows, rows_K: Rows, weight_K: Array, penalty: float | None, seed: int) -> Head:
    """Fit a head on chosen rows of a pool, whose columns are standardised by all.

    Parameters
    ----------
    weight_K
        How much each row counts, as of a `Selection`.
    penalty
        λ of the head of all rows that these reproduce, as of `of_all`; chosen on the rows themselves when None.
    """
    mean_D, deviation_D = X_ND.mean(axis=0), X_ND.std(axis=0)
    deviation_D = np.where(deviation_D > 1e-8, deviation_D, 1)
    X_KD, labels_K, present = (X_ND[rows_K] - mean_D) / deviation_D, labels_N[rows_K], np.unique(labels_N[rows_K])
    classes = int(labels_N.max()) + 1
    weights_CD, bias_C = np.zeros((classes, X_ND.shape[1])), np.full(classes, -np.inf)
    bias_C[present] = 0.0
    if len(present) > 1:
        total, share = (penalty or 0.0) * len(X_ND), len(X_ND) / len(rows_K)
        if penalty is None:
            total, share = 1 / best_strength(X_KD, labels_K, seed, _DECIDE), 1.0
        found_CD, found_C = weighted(X_KD, labels_K, weight_K * share, total)
        fitted_classes = present[1:] if len(present) == 2 else present  # of two classes one row, for the second
        weights_CD[fitted_classes], bias_C[fitted_classes] = found_CD, found_C
    return Head(mean_D, deviation_D, weights_CD, bias_C)


def weighted(X_KD: Array, labels_K: Rows, weight_K: Array, penalty: float) -> tuple[Array, Array]:
    """Fit a logistic regression on weighted rows; return its coefficients, (C, D), and intercepts, (C,).

    It minimises Σ w · cross-entropy + penalty/2 ‖weights‖². To get the head of n rows from a weighted part of them,
    pass their λ·n, whatever the weights sum to: the penalty of the mean loss is then λ·n / Σw. Of two classes there is
    one row of coefficients, for the second.
    """
    model = _regression(X_KD, labels_K, 1 / penalty, weight_K)
    return model.coef_, model.intercept_


def short_runs(X_ND: Array, labels_N: Rows, classes: int, runs: int, count: int, seed: int) -> Array:
    """Return out-of-fold probabilities of several short trainings from different first weights, shape (N, R, C)."""
    probs_NRC = on_disk((len(labels_N), runs, classes), np.float32)
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
