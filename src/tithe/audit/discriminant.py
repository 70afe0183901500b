"""Out-of-fold probabilities by linear discriminant analysis: one pass over any number of rows, whatever the classes.

Classes are normal with their own means and one covariance (Fisher 1936), of which a tenth is replaced by its diagonal,
so that it can be inverted where columns are many (Friedman 1989). Sums of each fold are taken once; those of all others
are what the total leaves. A logistic regression takes minutes where there are many classes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.cross_validation import folds

_FOLDS = 5
_SHRUNK = 0.1  # part of the covariance that is replaced by its diagonal
_RIDGE = 1e-6  # of the mean variance, for columns that do not vary
_AT_ONCE = 65_536  # rows that are in memory as float64


@dataclass(frozen=True)
class Sums:
    """Rows of each class, (C,), the sums of their columns, (C, D), and of the products of columns, (D, D)."""

    count_C: Array
    sum_CD: Array
    product_DD: Array

    def __add__(self, other: Sums) -> Sums:
        parts = (self.count_C + other.count_C, self.sum_CD + other.sum_CD, self.product_DD + other.product_DD)
        return Sums(*parts)

    def __sub__(self, other: Sums) -> Sums:
        parts = (self.count_C - other.count_C, self.sum_CD - other.sum_CD, self.product_DD - other.product_DD)
        return Sums(*parts)

    @classmethod
    def of(cls, X_ND: Array, labels_N: Rows, classes: int) -> Sums:
        """Return the sums of some rows."""
        sum_CD = np.zeros((classes, X_ND.shape[1]))
        if len(labels_N):
            order = np.argsort(labels_N, kind="stable")
            present, starts = np.unique(labels_N[order], return_index=True)
            sum_CD[present] = np.add.reduceat(X_ND[order], starts, axis=0)
        return cls(np.bincount(labels_N, minlength=classes).astype(np.float64), sum_CD, X_ND.T @ X_ND)

    def rule(self) -> tuple[Array, Array]:
        """Return weights, (D, C), and biases, (C,), of the log probabilities; a class without rows has the bias −∞."""
        rows, mean_CD = self.count_C.sum(), self.sum_CD / np.maximum(self.count_C, 1)[:, None]
        within_DD = (self.product_DD - (mean_CD * self.count_C[:, None]).T @ mean_CD) / rows
        variance_D = np.diag(within_DD).clip(0)
        ridge = _RIDGE * max(float(variance_D.mean()), 1e-12)
        covariance_DD = (1 - _SHRUNK) * within_DD + np.diag(_SHRUNK * variance_D + ridge)
        weights_DC = np.linalg.solve(covariance_DD, mean_CD.T)
        share_C = self.count_C / rows
        prior_C = np.log(share_C, out=np.full(len(share_C), -np.inf), where=share_C > 0)
        return weights_DC, prior_C - (mean_CD * weights_DC.T).sum(axis=1) / 2


def out_of_fold(X_ND: Array, labels_N: Rows, classes: int, seed: int) -> Array:
    """Return class probabilities of each row by a rule that was not fit on it, float32, shape (N, C).

    Parameters
    ----------
    X_ND
        Embeddings; may be a memory map.
    """
    fold_N, mean_D = folds(labels_N, _FOLDS, seed), np.asarray(X_ND[:_AT_ONCE]).mean(axis=0, dtype=np.float64)
    none = Sums.of(np.zeros((0, X_ND.shape[1])), labels_N[:0], classes)
    of_fold = dict.fromkeys(np.unique(fold_N).tolist(), none)
    for fold in of_fold:
        for rows in _parts(fold_N, fold):
            of_fold[fold] += Sums.of(X_ND[rows] - mean_D, labels_N[rows], classes)
    total, probs_NC = sum(of_fold.values(), none), np.zeros((len(labels_N), classes), np.float32)
    for fold, own in of_fold.items():
        weights_DC, bias_C = (total - own).rule() if len(of_fold) > 1 else total.rule()
        for rows in _parts(fold_N, fold):
            logits_MC = (X_ND[rows] - mean_D) @ weights_DC + bias_C
            exp_MC = np.exp(logits_MC - logits_MC.max(axis=1, keepdims=True))
            probs_NC[rows] = exp_MC / exp_MC.sum(axis=1, keepdims=True)
    return probs_NC


def _parts(fold_N: Rows, fold: int) -> list[Rows]:
    rows = np.flatnonzero(fold_N == fold)
    return [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]
