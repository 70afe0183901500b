"""Random rows with the same help: what a strategy gives a model besides its rows, given to random ones."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.choose import SelectionResult
from tithe.select.filters import filtered
from tithe.select.geometry.calibration import calibrated
from tithe.select.geometry.gradients import Gradients
from tithe.select.inner import penalty_of
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.signals.gather import SignalInputs, compute_signals
from tithe.train.setup import Setup

_OF_THE_HEAD = "gradient_match"  # needs the signals of the head of all rows, and no others


def with_same_help(setup: Setup, result: SelectionResult, is_probed: bool) -> SelectionResult | None:
    """Return a result with random rows in the place of the chosen ones; None if the strategy gives no help.

    They are the rows of the trial of `random`. Where the strategy weighs its rows they have weights, calibrated to the
    gradient of the head of all rows. All else is still the strategy's: a probe of rows that match a head gets the
    penalty of that head.

    Parameters
    ----------
    is_probed
        Whether the head is a probe; one that is trained as configured has no such penalty.
    """
    weighs = bool((result.selection.weight != 1).any())
    if not weighs and not (is_probed and penalty_of(result.decided.strategy, result.pool) is not None):
        return None
    settings = result.decided.model_copy(update={"strategy": "random", "options": {}, "rounds": 1})
    inputs = SignalInputs(setup, settings)
    left = filtered(compute_signals(inputs, [_OF_THE_HEAD])[0], settings)
    random = select(left.pool, left.settings, inputs.seed)
    if weighs:
        random = replace(random, weight=calibrated_weights(left.pool, random.rows))
    return replace(result, selection=left.whole(random))


def calibrated_weights(pool: Pool, rows_K: Rows) -> Array:
    """Return weights by which the gradients of rows sum to those of the whole pool, in proportion, shape (K,)."""
    gradients = Gradients.of(pool.embeddings, pool.head_probs, pool.head_labels, float(pool.head_penalty[0]))
    target_AB = gradients.total() * (len(rows_K) / len(pool))
    return calibrated(gradients.take(rows_K), target_AB, np.ones(len(rows_K)))
