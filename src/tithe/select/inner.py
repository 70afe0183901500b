"""An inner split of the pool: candidates choose among most rows, and heads trained on their choice predict the rest.

So a strategy is chosen without a look at validation or test rows (track T1).
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from tithe import config, plugins
from tithe.arrays import Rows
from tithe.data.cross_validation import folds
from tithe.select.budget import quotas
from tithe.select.buying.evidence import Candidate, Decision, InnerSplit
from tithe.select.filters import filtered
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.settings import parse_options
from tithe.select.signals import linear_probes
from tithe.select.signals.gather import SignalInputs, compute_signals
from tithe.select.strategies import Decides, Matches
from tithe.train.setup import Setup

logger = logging.getLogger("tithe")

_MOST = 10_000  # rows of the inner split, of larger pools
_PARTS = 5  # of which the last predicts


def compared(
    pool: Pool, candidates: Sequence[Candidate], settings: config.Select, seed: int, is_frozen: bool
) -> InnerSplit:
    """Return the accuracy of each candidate on rows of the pool that it did not see.

    The heads are logistic regressions on the embeddings, whether the encoder is trained later or not.

    Parameters
    ----------
    settings
        Those of the selection; each candidate puts its own strategy and filter in their place.
    is_frozen
        Whether the encoder stays as it is.
    """
    labels_N = pool.labels
    few = _part(labels_N, min(len(pool), _MOST), seed)
    fold_F = folds(labels_N[few], _PARTS, seed)
    inside, outside = few[fold_F != _PARTS - 1], few[fold_F == _PARTS - 1]
    inner = _with_own_signals(pool.take(inside), settings, seed)
    X_MD, labels_M = np.asarray(pool.embeddings[outside]), labels_N[outside]
    accuracies = []
    for candidate in candidates:
        own = {"filter": config.Filter(**candidate.filter)} if candidate.filter else {}
        left = filtered(inner, settings.model_copy(update={"strategy": candidate.strategy, "options": {}, **own}))
        chosen = left.whole(select(left.pool, left.settings, seed))
        penalty = penalty_of(candidate.strategy, inner)
        head = linear_probes.head(inner.embeddings, inner.labels, chosen.rows, chosen.weight, penalty, seed)
        accuracies.append(float((head.probs(X_MD).argmax(axis=1) == labels_M).mean()))
    return InnerSplit(tuple(candidates), tuple(accuracies), len(outside), is_frozen)


def penalty_of(strategy: str, pool: Pool) -> float | None:
    """Return the penalty of the head that the rows of a strategy stand for; None for one that matches no head."""
    is_matched = isinstance(plugins.load("strategies", strategy), Matches) and "head_penalty" in pool.signals
    return float(pool.head_penalty[0]) if is_matched else None


def decided(setup: Setup, settings: config.Select) -> tuple[config.Select, dict[str, Any]]:
    """Return the settings of the strategy that one which leaves the choice to others decides for, and why, for records.

    All others, and those in whose track labels are bought, keep their settings.
    """
    module = plugins.load("strategies", settings.strategy)
    if settings.track == "T0" or not isinstance(module, Decides):
        return settings, {}
    inputs, is_frozen = SignalInputs(setup, settings), setup.network.on_features
    pool, _ = compute_signals(inputs, [settings.strategy])
    evidence = compared(pool, module.candidates(is_frozen), settings, inputs.seed, is_frozen)
    decision: Decision = module.decide(evidence, parse_options(module, settings))
    accuracies = {candidate.name: a for candidate, a in zip(evidence.candidates, evidence.accuracies, strict=True)}
    logger.info("%s leaves the choice to %s: %s", settings.strategy, decision.strategy, decision.reason)
    why = {"evidence": {"held_out": evidence.held_out, "accuracies": accuracies}, "reason": decision.reason}
    changes = {"strategy": decision.strategy, "options": dict(decision.options)}
    own = {"filter": config.Filter(**decision.filter)} if decision.filter else {}
    return settings.model_copy(update={**changes, **own}), why


def _part(labels_N: Rows, count: int, seed: int) -> Rows:
    """Return so many rows, in order, each class by its share."""
    rng = np.random.default_rng([seed, 0x1A11])
    quota_C = quotas(labels_N, count, "stratified", 0)
    parts = [rng.permutation(np.flatnonzero(labels_N == c))[: quota_C[c]] for c in np.flatnonzero(quota_C)]
    return np.sort(np.concatenate(parts))


def _with_own_signals(pool: Pool, settings: config.Select, seed: int) -> Pool:
    """Return a pool whose probabilities are of models of its rows alone."""
    classes = pool.probs.shape[1]
    probs_NC = linear_probes.out_of_fold(pool.embeddings, pool.labels, classes, settings.folds, seed)
    return pool.with_signals({"probs": probs_NC, **linear_probes.of_all(pool.embeddings, pool.labels, classes, seed)})
