"""The selection core: budget, quotas, direction, ties and checks, once for every strategy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from types import ModuleType

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array, Rows
from tithe.engines import Engine
from tithe.errors import TitheError
from tithe.select.answers import Answer, PartOfPool, Picked, Picker, ask, title
from tithe.select.budget import budget_rows, quotas, remaining_quota
from tithe.select.geometry import parts
from tithe.select.pool import Pool
from tithe.select.settings import parse_options
from tithe.select.strategies import Divides, Matches, Picks, Scores


@dataclass(frozen=True)
class Selection:
    """Chosen rows of a pool.

    Attributes
    ----------
    rows
        Positions in the pool, sorted, shape (K,).
    rank
        Order of choice from 0, shape (K,). In one round the first k rows are those of a budget of k, without quotas and
        floor; with them the first of each class are, and any first k keep the shares of the classes.
    score
        The strategy's score of each, higher = keep first, shape (K,).
    round
        The round in which each was chosen, from 0, shape (K,).
    weight
        How much each counts in the loss, shape (K,): 1 counts as N / K rows of a pool of N, and is the weight of all
        rows but of strategies that weigh them.
    """

    rows: Rows
    rank: Rows
    score: Array
    round: Rows
    weight: Array

    def __len__(self) -> int:
        return len(self.rows)


NOTHING: Rows = np.zeros(0, dtype=np.int64)


def select(
    pool: Pool,
    settings: config.Select,
    seed: int,
    taken: Rows = NOTHING,
    total: int | None = None,
    engine: Engine | None = None,
) -> Selection:
    """Choose rows of a pool by a strategy; the same pool, settings and seed give the same rows.

    Parameters
    ----------
    taken
        Rows that earlier rounds chose; they are not chosen again, and they count towards the quotas of their classes.
    total
        Number of rows after this choice, `taken` included; the whole budget when unset.
    engine
        Picks from the parts of large classes (`select.part_rows`); this process when None. The rows are the same.

    Raises
    ------
    InputError
        No such strategy or option, or a budget that can't give each class its rows.
    TitheError
        The strategy broke its contract.
    """
    if settings.strategy == "all":
        every = np.arange(len(pool))
        return Selection(every, every, np.zeros(len(pool)), np.zeros_like(every), np.ones(len(pool)))
    strategy = plugins.load("strategies", settings.strategy)
    total = budget_rows(len(pool), settings.budget) if total is None else total
    call = _strategy_call(strategy, pool, settings, seed, taken, total)
    return _chosen(call if engine is None else replace(call, map=engine.map))


def select_with(
    strategy: ModuleType,
    pool: Pool,
    settings: config.Select,
    seed: int,
    taken: Rows = NOTHING,
    total: int | None = None,
) -> Selection:
    """Choose rows by a strategy that is at hand, whatever the settings name; see `select`."""
    total = budget_rows(len(pool), settings.budget) if total is None else total
    return _chosen(_strategy_call(strategy, pool, settings, seed, taken, total))


def _chosen(call: _StrategyCall) -> Selection:
    if isinstance(call.strategy, Matches):
        return _matched(call)
    if call.settings.balance == "none":
        order, score = call.choose(np.arange(len(call.pool)), call.total - len(call.taken))
        order, score = _fill_floor(call, order, score)
        fraction = np.arange(len(order)) / max(1, len(order))
    else:
        order, score, fraction = _by_class(call)
    return _finished(order, score, fraction)


def scores(pool: Pool, settings: config.Select, seed: int) -> Array | None:
    """Return a strategy's score of every row, shape (N,); None for one that picks instead of scoring."""
    strategy = plugins.load("strategies", settings.strategy)
    return _strategy_call(strategy, pool, settings, seed, NOTHING, 0).scores


def _strategy_call(
    module: ModuleType, pool: Pool, settings: config.Select, seed: int, taken: Rows, total: int
) -> _StrategyCall:
    if not isinstance(module, Scores | Picks | Matches):
        raise TitheError(
            f"{title(settings.strategy)} chooses no rows here: it needs NEEDS, and score, pick or match "
            f"(docs/extending.md)"
        )
    rng = np.random.default_rng([seed, 0x5E1EC7, len(taken)])
    own = pool.only(module.NEEDS)
    return _StrategyCall(module, own, pool.groups, taken, total, settings, rng, parse_options(module, settings))


@dataclass(frozen=True)
class _StrategyCall:
    """A strategy with its arguments, and what the selection core takes care of: rows taken, total, settings."""

    strategy: ModuleType
    pool: Pool
    groups: Rows
    taken: Rows
    total: int
    settings: config.Select
    rng: np.random.Generator
    options: config.Section
    map: Callable[[Callable[[PartOfPool], Picked], Iterable[PartOfPool]], Iterable[Picked]] = map

    @property
    def _picker(self) -> Picker:
        return Picker(self.strategy, self.settings, self.options)

    def ask(self, function: str, *arguments: object) -> Answer:
        """Call a function of the strategy; the options are its last argument."""
        return ask(self.strategy, self.settings.strategy, function, *arguments, self.options)

    @cached_property
    def scores(self) -> Array | None:
        """The scores of all rows, shape (N,), for strategies that score; None for those that pick."""
        if not isinstance(self.strategy, Scores):
            return None
        answer, rows = self.ask("score", self.pool, self.rng), len(self.pool)
        wanted = f"an array of {rows} finite number{'s' * (rows > 1)}, one for each row"
        score_N = answer.numbers((rows,), wanted)
        if not (is_finite_N := np.isfinite(score_N)).all():
            row = int(np.flatnonzero(~is_finite_N)[0])
            raise answer.refusal(f"{score_N[row]} for row {self.pool.ids[row]} of the data file", wanted)
        return score_N

    def quota(self, groups_N: Rows) -> Rows:
        """Return how many rows each group still gets, shape (C,), by the strategy's own division if it has one."""
        want_C = None
        if isinstance(self.strategy, Divides) and self.settings.balance == "stratified":
            answer, classes = self.ask("divide", self.pool, self.total), int(groups_N.max()) + 1
            wanted = f"{classes} finite numbers of at least 0, one for each class, not all 0"
            want_C = answer.numbers((classes,), wanted)
            if not (np.isfinite(want_C) & (want_C >= 0)).all() or not want_C.any():
                raise answer.refusal(str(want_C.tolist()), wanted)
        return remaining_quota(groups_N, self.total, self.settings, self.taken, want_C)

    def choose(self, among: Rows, count: int) -> tuple[Rows, Array]:
        """Choose from some rows, without those that are taken; return rows in the order of choice, and scores."""
        left = np.setdiff1d(among, self.taken)
        if count == 0:
            return NOTHING, np.zeros(0)
        if isinstance(self.strategy, Picks):
            near, most = np.intersect1d(among, self.taken), self.settings.part_rows
            if most and len(left) > most and "embeddings" in self.pool.signals:
                part = parts.Part(left, count)
                return parts.pick(self.pool.embeddings, part, most, self.rng, partial(self._pick_each, near))
            inside, score_K = self._picker(PartOfPool(self.pool.take(left, near), count, self.rng))
            return left[inside], score_K
        assert self.scores is not None
        order = left[np.argsort(-self.scores[left], kind="stable")[:count]]  # ties go to the lowest row
        return order, self.scores[order]

    def match_each(self, groups_N: Rows, quota_C: Rows, most: int) -> tuple[Rows, Array]:
        """Return rows in the order of choice, and their weights, each matched with others of its class near it."""
        shards = parts.shards(self.pool.embeddings, groups_N, quota_C, most, self.rng)
        return parts.merged(shards, list(self._pick_each(NOTHING, shards)), groups_N)

    def _pick_each(self, near: Rows, each: Sequence[parts.Part]) -> Iterator[Picked]:
        """Yield the picks of parts, which know of the others no more than the rows near them that are taken."""
        pools = (
            PartOfPool(self.pool.take(part.rows, near), part.picks, rng)
            for part, rng in zip(each, self.rng.spawn(len(each)), strict=True)
        )
        run = self.map if len(each) > 1 else map  # workers would only wait for one of them
        for part, (inside, score_K) in zip(each, run(self._picker, pools), strict=True):
            yield part.rows[inside], score_K


def _matched(call: _StrategyCall) -> Selection:
    """Let a strategy choose among all classes at once, and check its quotas and weights; it knows no earlier rounds."""
    groups_N = call.groups if call.settings.balance != "none" else np.zeros(len(call.pool), dtype=np.int64)
    quota_C = call.quota(groups_N)
    most = call.settings.part_rows or len(call.pool)
    if len(call.pool) > most and "embeddings" in call.pool.signals:
        order, weight_K = call.match_each(groups_N, quota_C, most)
    else:
        answer = call.ask("match", call.pool, quota_C, call.rng)
        order, weight_K = answer.rows_and_weights(call.total - len(call.taken), len(call.pool))
        if ((size_C := np.bincount(groups_N[order], minlength=len(quota_C))) != quota_C).any():
            c = int(np.flatnonzero(size_C != quota_C)[0])
            wanted = f"as many rows of each class as its quota, here {quota_C[c]}"
            raise answer.refusal(f"{size_C[c]} of class {c}", wanted)
    selection = _finished(order, weight_K, np.arange(len(order)))
    return replace(selection, weight=selection.score)


def _by_class(call: _StrategyCall) -> tuple[Rows, Array, Array]:
    labels_N, quota_C = call.groups, call.quota(call.groups)
    orders, scores, fractions = [NOTHING], [np.zeros(0)], [np.zeros(0)]
    for c in np.flatnonzero(quota_C):
        order, score_K = call.choose(np.flatnonzero(labels_N == c), int(quota_C[c]))
        orders.append(order)
        scores.append(score_K)
        fractions.append((np.arange(len(order)) + 0.5) / quota_C[c])
    return np.concatenate(orders), np.concatenate(scores), np.concatenate(fractions)


def _fill_floor(call: _StrategyCall, order: Rows, score: Array) -> tuple[Rows, Array]:
    """Give each class its floor in the place of the last picks of classes that have more."""
    labels_N, floor = call.groups, call.settings.floor
    quotas(labels_N, call.total, "none", floor)  # raises where the budget is too small
    for c in np.flatnonzero(np.bincount(labels_N)):
        rows = np.flatnonzero(labels_N == c)
        have_C = np.bincount(labels_N[np.concatenate([call.taken, order])], minlength=int(labels_N.max()) + 1)
        missing = min(len(rows), floor) - int(have_C[c])
        if missing <= 0:
            continue
        spare = _last_above(labels_N[order], have_C - floor, missing)
        extra, extra_score = call.choose(np.setdiff1d(rows, order), len(spare))
        order = np.concatenate([np.delete(order, spare), extra])
        score = np.concatenate([np.delete(score, spare), extra_score])
    return order, score


def _last_above(classes_K: Rows, above_C: Rows, count: int) -> list[int]:
    """Return the places of the last picks, at most `count`, no more of a class than it has above its floor."""
    left_C, places = above_C.copy(), list[int]()
    for place in range(len(classes_K) - 1, -1, -1):
        if len(places) < count and left_C[classes_K[place]] > 0:
            left_C[classes_K[place]] -= 1
            places.append(place)
    return places


def _finished(order: Rows, score: Array, fraction: Array) -> Selection:
    count = len(order)
    # Classes take turns in proportion to their quotas, so that a prefix of the ranks is balanced, too.
    place = np.lexsort((order, fraction))
    rank = np.empty(count, dtype=np.int64)
    rank[place] = np.arange(count)
    by_row = np.argsort(order)
    return Selection(order[by_row], rank[by_row], score[by_row], np.zeros_like(order), np.ones(count))
