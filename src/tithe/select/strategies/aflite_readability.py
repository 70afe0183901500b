"""AFLite and readability: rows that linear models cannot predict from artifacts, or can (Le Bras et al. 2020)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field

from tithe.arrays import Array, Rows
from tithe.config import Positive, Section
from tithe.select.geometry.ranks import ranks
from tithe.select.pool import Pool

NEEDS = ("embeddings", "readability")
VERSION = 3  # chooses other rows than those before


class Options(Section):
    """Sizes of the filter, and which end is kept."""

    models: Positive = Field(32, description="linear models of a round")
    train_share: float = Field(0.1, gt=0, lt=1, description="rows that each is fit on")
    slices: Positive = Field(10, description="rounds in which all rows would be removed")
    threshold: float = Field(0.75, ge=0, le=1, description="predictability from which a row may be removed")
    keep: Literal["hard", "mid", "easy"] = Field("mid", description="which end of both ranks is kept, or the middle")


def score(pool: Pool, rng: np.random.Generator, options: Options) -> Array:
    """Return the mean of how near two ranks within classes are to the kept end: how predictable and how readable.

    The middle is taken of each rank, since the mean of opposite extremes, most predictable and least readable, is in
    the middle, too.
    """
    readable_N = _kept(ranks(pool.readability, pool.labels), options.keep)
    if len(np.unique(pool.labels)) < 2:  # nothing to predict: readability alone decides
        return readable_N
    guessed_N = _kept(ranks(predictability(pool.embeddings, pool.labels, options, rng), pool.labels), options.keep)
    return (guessed_N + readable_N) / 2


def _kept(easy_N: Array, keep: str) -> Array:
    return {"easy": easy_N, "hard": -easy_N, "mid": -np.abs(easy_N - 0.5)}[keep]


def predictability(X_ND: Array, labels_N: Rows, options: Options, rng: np.random.Generator) -> Array:
    """Return how predictable each row is; rows that were filtered out earlier count as more so.

    A round fits models on random subsets and removes the slice of rows that are predicted correctly most often while
    held out, as long as their accuracy reaches the threshold.
    """
    size = max(1, len(labels_N) // options.slices)
    left, value_N, gone_N = np.arange(len(labels_N)), np.zeros(len(labels_N)), np.zeros(len(labels_N), dtype=bool)
    while True:
        share_N = _held_out_accuracy(X_ND[left], labels_N[left], options, rng)
        value_N[left] = share_N
        removed = np.argsort(-share_N, kind="stable")[:size]
        removed = removed[share_N[removed] >= options.threshold]
        if len(left) <= 2 * size or len(removed) == 0 or len(np.unique(np.delete(labels_N[left], removed))) < 2:
            return value_N
        gone_N[left[removed]] = True
        value_N[gone_N] += 1  # once for each round since, of which there may be many: a slice may be a few rows
        left = np.delete(left, removed)


def _held_out_accuracy(X_ND: Array, labels_N: Rows, options: Options, rng: np.random.Generator) -> Array:
    rows, targets_NC = len(labels_N), np.eye(int(labels_N.max()) + 1, dtype=np.float32)[labels_N]
    right_N, held_N = np.zeros(rows), np.zeros(rows)
    count = min(rows - 1, max(2, round(options.train_share * rows)))
    for _ in range(options.models):
        inside = np.zeros(rows, dtype=bool)
        inside[rng.choice(rows, count, replace=False)] = True
        guess_N = _ridge(X_ND[inside], targets_NC[inside], X_ND[~inside]).argmax(axis=1)
        right_N[~inside] += guess_N == labels_N[~inside]
        held_N[~inside] += 1
    return right_N / np.maximum(held_N, 1)


def _ridge(X_ND: Array, targets_NC: Array, Z_MD: Array) -> Array:
    """Fit a linear model with an intercept by ridge regression and return its scores of other rows."""
    mean_D, target_C = X_ND.mean(axis=0), targets_NC.mean(axis=0)
    X_ND = X_ND - mean_D
    penalty = float((X_ND**2).sum()) / X_ND.shape[1] + 1e-6  # as much as a column weighs: embeddings have many
    if len(X_ND) < X_ND.shape[1]:  # the smaller of the two systems
        weights_DC = X_ND.T @ np.linalg.solve(X_ND @ X_ND.T + penalty * np.eye(len(X_ND)), targets_NC - target_C)
    else:
        gram_DD = X_ND.T @ X_ND + penalty * np.eye(X_ND.shape[1])
        weights_DC = np.linalg.solve(gram_DD, X_ND.T @ (targets_NC - target_C))
    scores_MC: Array = (Z_MD - mean_D) @ weights_DC + target_C
    return scores_MC
