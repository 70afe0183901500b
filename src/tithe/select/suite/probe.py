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


def is_probed(setup: Setup, head: str) -> bool:
    """Say whether a setup's head is a probe: never if its encoder is trained, whatever the suite says."""
    return head == "probe" and setup.network.on_features


def probe(setup: Setup, selection: Selection, penalty: float | None) -> tuple[Array, Rows]:
    """Fit on chosen rows of a frozen encoder's features; return the test rows' probabilities, (M, C), and labels, (M,).

    `penalty` is as of `linear_probes.head`.
    """
    assert isinstance(setup.examples, Features)
    splits = setup.splits
    pool_ND, test_MD = (np.asarray(setup.examples.values[part]) for part in (splits.split.train, splits.test))
    weight_K = splits.weights_of(selection.rows, selection.weight)
    head = linear_probes.head(pool_ND, splits.pool_labels, selection.rows, weight_K, penalty, setup.run.seed)
    return head.probs(test_MD, setup.classes), splits.rows.labels[splits.test]
