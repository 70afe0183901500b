"""Inner splits of the pool: candidates choose among most rows, and heads trained on their choice predict the rest.

So a strategy is chosen without a look at validation or test rows (track T1).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from tithe import config, plugins
from tithe.arrays import Rows
from tithe.data.cross_validation import folds, parts
from tithe.errors import InputError
from tithe.select.answers import ask
from tithe.select.budget import budget_rows, quotas
from tithe.select.buying.evidence import Candidate, InnerSplit
from tithe.select.filters import filtered
from tithe.select.pool import Pool
from tithe.select.selection import select
from tithe.select.settings import parse_options
from tithe.select.signals import linear_probes
from tithe.select.signals.gather import SignalInputs, compute_signals
from tithe.select.strategies import Compares, Matches
from tithe.train.setup import Setup

logger = logging.getLogger("tithe")

_MOST = 10_000  # rows of the inner split, of larger pools
_SMALLEST = float(np.finfo(np.float32).tiny)  # probability in a log loss
_PARTS = 5  # of which each predicts once, by heads of the others


def compared(
    pool: Pool, candidates: Sequence[Candidate], settings: config.Select, seed: int, is_frozen: bool
) -> InnerSplit:
    """Return the accuracy and the loss of each candidate on rows of the pool that it did not see, over five splits.

    The heads are logistic regressions on the embeddings, whether the encoder is trained later or not.

    Parameters
    ----------
    settings
        Those of the selection; each candidate puts its own strategy and filter in their place.
    is_frozen
        Whether the encoder stays as it is.

    Raises
    ------
    InputError
        The pool has too few rows to be split.
    """
    if len(pool) < 2 * _PARTS:
        raise InputError(
            f"{plugins.short_name(settings.strategy)} compares strategies on {_PARTS} parts of the rows, and there are "
            f"{len(pool)}: choose a strategy, such as random"
        )
    few = _part(pool.labels, min(len(pool), _MOST), seed)
    hits, losses = np.zeros(len(candidates), np.int64), np.zeros(len(candidates))
    for inside, outside in parts(folds(pool.labels[few], _PARTS, seed)):
        inner, rest = _with_own_signals(pool.take(few[inside]), settings, seed), pool.take(few[outside])
        for place, candidate in enumerate(candidates):
            head = _head_of(candidate, inner, settings, seed)
            probs_NC = head.probs(rest.embeddings, int(pool.labels.max()) + 1)  # a class may be in the rest alone
            hits[place] += (probs_NC.argmax(axis=1) == rest.labels).sum()
            losses[place] -= np.log(np.maximum(probs_NC[np.arange(len(rest)), rest.labels], _SMALLEST)).sum()
    accuracies, means = tuple((hits / len(few)).tolist()), tuple((losses / len(few)).tolist())
    return InnerSplit(tuple(candidates), accuracies, means, len(few), is_frozen)


def _head_of(candidate: Candidate, inner: Pool, settings: config.Select, seed: int) -> linear_probes.Head:
    """Let a candidate choose, and train a head on its rows."""
    floor = min(settings.floor, budget_rows(len(inner), settings.budget) // len(np.unique(inner.labels)))
    left = filtered(inner, _with_candidate(settings, candidate).model_copy(update={"options": {}, "floor": floor}))
    chosen, penalty = left.whole(select(left.pool, left.settings, seed)), penalty_of(candidate.strategy, inner)
    return linear_probes.head(inner.embeddings, inner.labels, chosen.rows, chosen.weight, penalty, seed)


def penalty_of(strategy: str, pool: Pool) -> float | None:
    """Return the penalty of the head that the rows of a strategy reproduce; None for one that matches no head."""
    is_matched = isinstance(plugins.load("strategies", strategy), Matches) and "head_penalty" in pool.signals
    return float(pool.head_penalty[0]) if is_matched else None


class Decided(NamedTuple):
    """The settings of the strategy that was decided for, why (for records), and the seconds of signals and heads."""

    settings: config.Select
    why: dict[str, Any]
    signals: float
    comparison: float


def decided(setup: Setup, settings: config.Select) -> Decided:
    """Decide for a strategy that leaves the choice to others.

    All others, and those in whose track labels are bought, keep their settings.
    """
    module = plugins.load("strategies", settings.strategy)
    if settings.track == "T0" or not isinstance(module, Compares):
        return Decided(settings, {}, 0.0, 0.0)
    inputs, is_frozen = SignalInputs(setup, settings), setup.network.on_features
    pool, cost = compute_signals(inputs, [settings.strategy])
    started = time.monotonic()
    every = ask(module, settings.strategy, "candidates", is_frozen).candidates()
    candidates = [every[0], *(each for each in every[1:] if _is_another(each, settings, pool))]
    evidence = compared(pool, candidates, settings, inputs.seed, is_frozen)
    decision = ask(module, settings.strategy, "decide", evidence, parse_options(module, settings)).decision()
    names = [candidate.name for candidate in evidence.candidates]
    worth = {key: dict(zip(names, getattr(evidence, key), strict=True)) for key in ("accuracies", "losses")}
    logger.info("%s leaves the choice to %s: %s", settings.strategy, decision.strategy, decision.reason)
    named = [{"strategy": each.strategy, "filter": list(each.filter)} for each in evidence.candidates]
    why = {"evidence": {"held_out": evidence.held_out, "candidates": named, **worth}, "reason": decision.reason}
    chosen = _with_candidate(settings, Candidate(decision.strategy, decision.filter))
    chosen = chosen.model_copy(update={"options": dict(decision.options)})
    return Decided(chosen, why, cost, time.monotonic() - started)


def _with_candidate(settings: config.Select, candidate: Candidate) -> config.Select:
    """Return the settings with the strategy of a candidate, and its filters where the user has set none."""
    own = config.Filter(**{**candidate.filter, **settings.filter.model_dump(exclude_none=True)})
    return settings.model_copy(update={"strategy": candidate.strategy, "filter": own})


def _is_another(candidate: Candidate, settings: config.Select, pool: Pool) -> bool:
    """Say whether the filters of a candidate are not those of the user already, and leave as many rows as the budget.

    A candidate without filters may be compared in any case.
    """
    if not candidate.filter:
        return True
    own = _with_candidate(settings, candidate)
    if own.filter == settings.filter or (own.filter.noise or 0) + own.budget > 1:
        return False
    if not own.filter.duplicates:
        return True
    with contextlib.suppress(InputError):
        filtered(pool, own)
        return True
    return False


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
