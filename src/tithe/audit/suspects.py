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
from tithe.audit.discriminant import out_of_fold

FLIPPED = 0.05  # share of the labels that the trial flips


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


class Trial(NamedTuple):
    """What the hints were worth on a copy of the rows, some of whose labels were flipped at random.

    Attributes
    ----------
    rows, flipped, hints
        Of the copy: its rows, those that were flipped, and those that were hinted at.
    precision, recall
        Share of the hints that were flipped, and share of the flipped that were hints.
    first
        Share of the first hints that were flipped, as many of them as were flipped in all.
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
    first: float
    restored: float
    noise: float


def flip(labels_N: Rows, classes: int, share: float, seed: int) -> tuple[Rows, Rows]:
    """Return labels of which a share is another class at random, and the positions of those rows, sorted."""
    rng = np.random.default_rng([seed, 0xF11B])
    rows = np.sort(rng.permutation(len(labels_N))[: max(1, round(share * len(labels_N)))])
    wrong_N = labels_N.copy()
    wrong_N[rows] = (labels_N[rows] + rng.integers(1, classes, len(rows))) % classes
    return wrong_N, rows


def try_hints(X_ND: Array, labels_N: Rows, classes: int, seed: int) -> Trial:
    """Flip a twentieth of the labels, find suspects, and count.

    Labels that were wrong before count as right here, so precision is too low rather than too high.
    """
    wrong_N, flipped = flip(labels_N, classes, FLIPPED, seed)
    suspects = find_suspects(out_of_fold(X_ND, wrong_N, classes, seed), wrong_N)
    hit_K = np.isin(suspects.rows, flipped)
    restored = float((suspects.suggested == labels_N[suspects.rows])[hit_K].mean()) if hit_K.any() else 0.0
    counts, shares = (len(labels_N), len(flipped), len(hit_K)), (_share(hit_K), float(hit_K.sum() / len(flipped)))
    return Trial(*counts, *shares, _share(hit_K[: len(flipped)]), restored, suspects.noise)


def _share(hit_K: Array) -> float:
    return float(hit_K.mean()) if len(hit_K) else 0.0
