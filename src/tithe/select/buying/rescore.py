"""Between rounds of bought labels: score the whole pool with a model of the bought ones alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.buying.evidence import Evidence
from tithe.select.buying.ledger import Ledger
from tithe.select.rescore import Rescore, Rescored, rescore_with_model
from tithe.select.signals import linear_probes
from tithe.train.setup import Setup


def rescore_with_bought(setup: Setup, ledger: Ledger, fixed_ND: Array | None, warm: bool = False) -> Rescore:
    """Return a function that buys the labels of some rows, and scores the whole pool with a model of these rows alone.

    On fixed embeddings of the pool's rows the model is a logistic regression; where there are none, the run's model is
    trained, a new one or, `warm`, that of the call before. Probabilities have a column for each class that was bought,
    in the order of the classes.
    """
    score = _training(setup, ledger, warm) if fixed_ND is None else _regression(setup, ledger, fixed_ND)
    guess_N: list[Rows] = []  # of the round before

    def rescore(rows: Rows, weights: Array) -> Rescored:
        ledger.buy(rows)
        labels_K = ledger.read(rows)
        found, X_ND = score(rows, weights)
        now_N = np.unique(labels_K)[np.asarray(found.signals["probs"]).argmax(axis=1)]
        agreement = float((guess_N[-1] == now_N).mean()) if guess_N else None
        guess_N[:] = [now_N]
        evidence = Evidence.of(np.asarray(X_ND[rows]), labels_K, setup.run.seed, agreement)
        return found._replace(evidence=evidence)

    return rescore


Scored = Callable[[Rows, Array], tuple[Rescored, Array]]  # and the embeddings by which the labels can be weighed


def _regression(setup: Setup, ledger: Ledger, fixed_ND: Array) -> Scored:
    def score(rows: Rows, weights: Array) -> tuple[Rescored, Array]:
        labels_K, weight_K = ledger.read(rows), setup.splits.weights_of(rows, weights)
        strength = linear_probes.best_strength(fixed_ND[rows], labels_K, setup.run.seed, weight_K=weight_K)
        probs_NC, sha256 = linear_probes.fitted(fixed_ND, rows, labels_K, strength, weight_K)
        return Rescored({"probs": probs_NC}, sha256), fixed_ND

    return score


def _training(setup: Setup, ledger: Ledger, warm: bool) -> Scored:
    train_and_score = rescore_with_model(setup, warm)

    def score(rows: Rows, weights: Array) -> tuple[Rescored, Array]:
        found = train_and_score(rows, weights)
        probs_NC = found.signals["probs"][:, np.unique(ledger.read(rows))]  # of the others nobody knows yet
        signals = {**found.signals, "probs": probs_NC / probs_NC.sum(axis=1, keepdims=True)}
        return Rescored(signals, found.model_sha256), signals["embeddings"]

    return score
