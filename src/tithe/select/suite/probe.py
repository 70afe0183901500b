"""A linear probe: the head of a frozen encoder as a logistic regression, with the L2 penalty that its own rows want.

A head that is trained for so many steps is never tuned equally for few rows and for all: what suits all overfits few.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Array, Rows
from tithe.models.features import Features
from tithe.select.selection import Selection
from tithe.select.signals import linear_probes
from tithe.train.setup import Setup

_DECIDE = 4000  # most rows by which a penalty is chosen


def probe(setup: Setup, selection: Selection, is_matched: bool) -> tuple[Array, Rows]:
    """Fit on chosen rows of a frozen encoder's features; return the test rows' probabilities, (M, C), and labels, (M,).

    Parameters
    ----------
    is_matched
        Whether the rows stand for a head that was trained on all (`Matches`): then the penalty is that of this head.
    """
    assert isinstance(setup.examples, Features)
    splits, rows = setup.splits, selection.rows
    pool_ND, test_MD = (np.asarray(setup.examples.values[part]) for part in (splits.split.train, splits.test))
    mean_D, deviation_D = pool_ND.mean(axis=0), pool_ND.std(axis=0)
    deviation_D = np.where(deviation_D > 1e-8, deviation_D, 1)
    X_KD, labels_K = (pool_ND[rows] - mean_D) / deviation_D, splits.pool_labels[rows]
    probs_MC = np.zeros((len(test_MD), setup.classes))
    present = np.unique(labels_K)
    if len(present) == 1:
        probs_MC[:, present[0]] = 1.0
        return probs_MC, splits.rows.labels[splits.test]
    penalty, share = linear_probes.penalty(len(pool_ND)) * len(pool_ND), len(pool_ND) / len(rows)
    if not is_matched:
        penalty, share = 1 / linear_probes.best_strength(X_KD, labels_K, setup.run.seed, _DECIDE), 1.0
    weights_CD, bias_C = linear_probes.weighted(X_KD, labels_K, selection.weight * share, penalty)
    logits_MC = ((test_MD - mean_D) / deviation_D) @ weights_CD.T + bias_C
    if len(present) == 2:  # there is one row of coefficients, for the second class
        logits_MC = np.concatenate([np.zeros_like(logits_MC), logits_MC], axis=1)
    probs_MC[:, present] = linear_probes.softmax(logits_MC)
    return probs_MC, splits.rows.labels[splits.test]
