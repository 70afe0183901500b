"""What bought labels say of the model that learnt them: by this, and nothing else, a round decides how to go on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.signals import linear_probes

_FOLDS = 5


@dataclass(frozen=True)
class Evidence:
    """What is known after some labels were bought.

    Attributes
    ----------
    bought
        How many.
    classes
        Classes among them.
    rows_per_class
        Median of their rows.
    accuracy
        Of a model of the embeddings on bought rows that it was not trained on. Rows bought because a model hesitated
        are harder than the rest: it is a lower bound of what to expect on all.
    chance
        Share of the largest class among the bought rows.
    agreement
        Share of the pool for which the model predicts the class that the one of the round before predicted; None
        after the first round.
    """

    bought: int
    classes: int
    rows_per_class: float
    accuracy: float
    chance: float
    agreement: float | None

    @classmethod
    def of(cls, X_MD: Array, labels_M: Rows, seed: int, agreement: float | None) -> Evidence:
        """Weigh bought labels, shape (M,), by the embeddings of their rows, shape (M, D)."""
        classes, own_M, size_C = np.unique(labels_M, return_inverse=True, return_counts=True)
        folds = min(_FOLDS, len(labels_M))
        accuracy = 1.0 if len(classes) == 1 else 0.0
        if len(classes) > 1 and folds > 1:
            probs_MC = linear_probes.out_of_fold(X_MD, own_M, len(classes), folds, seed)
            accuracy = float((probs_MC.argmax(axis=1) == own_M).mean())
        chance = float(size_C.max()) / len(labels_M)
        return cls(len(labels_M), len(classes), float(np.median(size_C)), accuracy, chance, agreement)


class Candidate(NamedTuple):
    """A strategy that may be decided for, after a filter."""

    strategy: str
    filter: Mapping[str, float] = MappingProxyType({})

    @property
    def name(self) -> str:
        """What it is called in reasons."""
        return f"{self.strategy} after filter {', '.join(self.filter)}" if self.filter else self.strategy


@dataclass(frozen=True)
class InnerSplit:
    """What candidates were worth on an inner split of a pool whose labels are all known (track T1).

    Attributes
    ----------
    candidates, accuracies, losses
        Each with the accuracy and the mean log loss of its heads on held-out rows of the pool, in the same order.
    held_out
        How many rows these are.
    is_frozen
        Whether the encoder stays as it is; otherwise it is trained on the chosen rows.
    """

    candidates: tuple[Candidate, ...]
    accuracies: tuple[float, ...]
    losses: tuple[float, ...]
    held_out: int
    is_frozen: bool


class Decision(NamedTuple):
    """Which strategy chooses the rows of a round, with which options and filter, and why, in one sentence."""

    strategy: str
    reason: str
    options: Mapping[str, Any] = MappingProxyType({})
    filter: Mapping[str, float] = MappingProxyType({})
