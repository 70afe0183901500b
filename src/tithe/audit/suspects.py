"""Rows whose label may be wrong: confident learning on out-of-fold probabilities (Northcutt, Jiang & Chuang 2021).

A class is confident where it has at least the probability that rows with its label have on average. Where confident
classes and labels differ estimates how many labels of each class are wrong; so many of its rows, those whose label is
least probable, are hints (the paper's prune by class). A hint is no more than that: how many are wrong labels, and how
many are hard texts, depends on the data. So labels are flipped on a copy, and the hints there are counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.data.cross_validation import folds
from tithe.select.signals import linear_probes

FLIPPED = 0.05  # share of the labels that the trial flips
_FOLDS = 5
_AT_ONCE = 65_536  # rows whose probabilities are computed together


def thresholds(probs_NC: Array, labels_N: Rows) -> Array:
    """Return the mean probability of each class among the rows with its label, shape (C,); ∞ for a class without."""
    classes = probs_NC.shape[1]
    rows_C = np.bincount(labels_N, minlength=classes)
    sum_C = np.bincount(labels_N, probs_NC[np.arange(len(labels_N)), labels_N], classes)
    return np.divide(sum_C, rows_C, out=np.full(classes, np.inf), where=rows_C > 0)


def confident_classes(probs_NC: Array, threshold_C: Array) -> Rows:
    """Return the most probable class of each row among those that reach their threshold, shape (N,); −1 for none."""
    held_NC = np.where(probs_NC >= threshold_C, probs_NC, -1.0)
    best_N: Rows = held_NC.argmax(axis=1)
    return np.where(held_NC.max(axis=1) < 0, -1, best_N)


def noise_by_class(labels_N: Rows, confident_N: Rows, classes: int) -> Array:
    """Return the estimated share of wrong labels among the rows with each label, shape (C,).

    It is one minus the diagonal of the confident joint, each of its lines scaled to 1; 0 where no row is confident.
    """
    is_counted_N = confident_N >= 0
    counted_C = np.bincount(labels_N[is_counted_N], minlength=classes)
    off_C = np.bincount(labels_N[is_counted_N & (confident_N != labels_N)], minlength=classes)
    return off_C / np.maximum(counted_C, 1)


@dataclass(frozen=True)
class Suspects:
    """The hints, the most suspicious first.

    Attributes
    ----------
    rows
        Positions of the rows, shape (K,), by rising probability of their label.
    suggested
        The most probable class of each, shape (K,), never its label.
    self_confidence, probability
        Probabilities of the row's label and of the suggested class, shape (K,).
    noise
        Estimated share of wrong labels.
    noise_of_class
        The same among the rows with each label, shape (C,).
    accuracy
        Share of all rows whose label is the most probable one.
    """

    rows: Rows
    suggested: Rows
    self_confidence: Array
    probability: Array
    noise: float
    noise_of_class: Array
    accuracy: float


def find_suspects(probs_NC: Array, labels_N: Rows) -> Suspects:
    """Return the hints of out-of-fold probabilities, each row's of a model that was not fit on it."""
    classes = probs_NC.shape[1]
    confident_N = confident_classes(probs_NC, thresholds(probs_NC, labels_N))
    noise_C = noise_by_class(labels_N, confident_N, classes)
    own_N, best_N = probs_NC[np.arange(len(labels_N)), labels_N], probs_NC.argmax(axis=1)
    rows = np.flatnonzero(_least_probable(own_N, labels_N, noise_C) & (best_N != labels_N))
    rows = rows[np.argsort(own_N[rows], kind="stable")]
    noise = float(noise_C @ np.bincount(labels_N, minlength=classes) / len(labels_N))
    accuracy, suggested_K = float((best_N == labels_N).mean()), best_N[rows]
    return Suspects(rows, suggested_K, own_N[rows], probs_NC[rows, suggested_K], noise, noise_C, accuracy)


def _least_probable(own_N: Array, labels_N: Rows, noise_C: Array) -> Array:
    """Return whether a row is one of those whose label is least probable, as many in each class as are wrong."""
    rows_C = np.bincount(labels_N, minlength=len(noise_C))
    order_N = np.lexsort((own_N, labels_N))
    place_N = np.empty_like(order_N)  # of a row among those with its label
    place_N[order_N] = np.arange(len(order_N)) - np.repeat(np.cumsum(rows_C) - rows_C, rows_C)
    return np.asarray(place_N < np.round(noise_C * rows_C)[labels_N])


def out_of_fold(X_ND: Array, labels_N: Rows, classes: int, fit: Rows, seed: int) -> Array:
    """Return class probabilities of each row by a linear head that was not fit on it, float32, shape (N, C).

    Parameters
    ----------
    X_ND
        Embeddings; may be a memory map.
    fit
        Positions of the rows that heads are fit on, sorted: all, or a part of many.
    """
    X_KD, labels_K = np.asarray(X_ND[fit]), labels_N[fit]
    strength = linear_probes.best_strength(X_KD, labels_K, seed)
    fold_N, probs_NC = folds(labels_N, _FOLDS, seed), np.zeros((len(labels_N), classes), np.float32)
    for fold in np.unique(fold_N):
        inside = np.flatnonzero(fold_N[fit] != fold)
        head = linear_probes.head(X_KD, labels_K, inside, np.ones(len(inside)), 1 / (strength * len(fit)), seed)
        outside = np.flatnonzero(fold_N == fold)
        for start in range(0, len(outside), _AT_ONCE):
            rows = outside[start : start + _AT_ONCE]
            probs_MC = head.probs(np.asarray(X_ND[rows]))
            probs_NC[rows, : probs_MC.shape[1]] = probs_MC
    return probs_NC


class Trial(NamedTuple):
    """What the hints were worth on a copy of the rows, some of whose labels were flipped at random.

    Attributes
    ----------
    rows, flipped, hints
        Of the copy: its rows, those that were flipped, and those that were hinted at.
    precision, recall
        Share of the hints that were flipped, and share of the flipped that were hints.
    restored
        Share of the flipped hints whose suggested class was the true one.
    noise
        The share of wrong labels that was estimated there.
    """

    rows: int
    flipped: int
    hints: int
    precision: float
    recall: float
    restored: float
    noise: float


def flip(labels_N: Rows, classes: int, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return labels of which a share is another class at random, and the positions of those rows, sorted."""
    rng = np.random.default_rng([seed, 0xF11B])
    rows = np.sort(rng.permutation(len(labels_N))[: max(1, round(share * len(labels_N)))])
    wrong_N = labels_N.copy()
    wrong_N[rows] = (labels_N[rows] + rng.integers(1, classes, len(rows))) % classes
    return wrong_N, rows


def try_hints(X_KD: Array, labels_K: Rows, classes: int, seed: int) -> Trial:
    """Flip a twentieth of the labels, find suspects, and count.

    Labels that were wrong before count as right here, so precision is too low rather than too high.
    """
    wrong_K, flipped = flip(labels_K, classes, FLIPPED, seed)
    suspects = find_suspects(out_of_fold(X_KD, wrong_K, classes, np.arange(len(X_KD)), seed), wrong_K)
    hit = np.isin(suspects.rows, flipped)
    restored = suspects.suggested[hit] == labels_K[suspects.rows[hit]]
    hits, hints = int(hit.sum()), len(suspects.rows)
    share = float(restored.mean()) if hits else 0.0
    return Trial(len(labels_K), len(flipped), hints, hits / max(hints, 1), hits / len(flipped), share, suspects.noise)
