"""The contract of every strategy: budgets, quotas, order, nesting, seeds, and hard data."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array
from tithe.errors import TitheError
from tithe.select.answers import Answer, ask
from tithe.select.budget import budget_rows, quotas
from tithe.select.buying.evidence import Evidence, InnerSplit
from tithe.select.pool import Pool
from tithe.select.selection import NOTHING, Selection, select_with
from tithe.select.settings import parse_options
from tithe.select.strategies import Compares, Decides, Divides, Matches
from tithe.testing.members import open_member, untouched

BALANCES = ("stratified", "uniform", "none")
SHARES = (0.02, 0.1, 0.37, 1.0)


def example_pool(rows: int = 120, classes: int = 3, seed: int = 0) -> Pool:
    """Return a pool of random rows with every signal that a strategy may need."""
    rng = np.random.default_rng(seed)
    labels_N = np.sort(rng.integers(0, classes, rows))[rng.permutation(rows)]
    labels_N[:classes] = np.arange(classes)
    signals: dict[str, Array] = {
        "embeddings": rng.normal(size=(rows, 8)).astype(np.float32),
        "probs": rng.dirichlet(np.ones(classes), rows),
        "proxy_probs": rng.dirichlet(np.ones(classes), (rows, 4)).astype(np.float32),
        "perplexity": rng.lognormal(3, 1, rows),
        "conditional_loss": rng.exponential(1, rows),
        "prior_loss": -np.log(np.bincount(labels_N) / rows)[labels_N],
        "readability": rng.normal(60, 20, rows),
        "lengths": rng.integers(3, 40, rows),
        **{name: rng.random(rows) for name in ("hdd", "mtld", "ttr")},
        "head_probs": rng.dirichlet(np.ones(classes), rows),
        "head_labels": labels_N,
        "head_penalty": np.full(rows, 0.01),
        "scores": rng.random(rows),
    }
    return Pool.of(labels_N, np.arange(rows) * 10, signals)


def check_strategy(
    strategy: str | Path | ModuleType, options: Mapping[str, Any] | None = None, nested: bool = True
) -> None:
    """Check that a strategy keeps the contract.

    Parameters
    ----------
    strategy
        A module, its dotted name, the path of a `.py` file, or the name of an installed strategy.
    options
        Its own settings; the defaults when unset.
    nested
        Whether the rows of a smaller budget are the first of a larger one; False for a strategy whose every choice
        depends on the budget. The ranks of its selections can't be cut.

    Raises
    ------
    AssertionError
        It does not; the message says in what.
    InputError, ImportError
        It is not there, or is not a strategy.
    """
    case = _Case(*open_member("strategies", strategy), dict(options or {}))
    _check_needs(case)
    if isinstance(case.module, Decides):
        with _failed():
            return _check_decisions(case)
    nested = nested and not isinstance(case.module, Matches)
    with untouched(f"strategy '{case.name}'"):
        for balance in BALANCES:
            for share in SHARES:
                _check_budget(case, share, balance)
        if nested:
            _check_nesting(case)
        if not isinstance(case.module, Matches):
            _check_later_round(case)
        _check_one_class_and_one_row(case)
        _check_rows_all_alike(case)


@dataclass(frozen=True)
class _Case:
    name: str
    module: ModuleType
    options: dict[str, Any]
    pool: Pool = field(default_factory=example_pool)

    def select(self, pool: Pool, *more: Any, seed: int = 0, **settings: Any) -> Selection:
        """Choose with these settings; what the selection core refuses is a failed check."""
        select = config.Select(strategy=self.name, options=self.options, **settings)
        with _failed():
            return select_with(self.module, pool, select, seed, *more)

    def ask(self, function: str, *arguments: object) -> Answer:
        """Call a function of the strategy."""
        return ask(self.module, self.name, function, *arguments)


@contextlib.contextmanager
def _failed() -> Iterator[None]:
    """Let what a strategy is refused for be a failed check."""
    try:
        yield
    except TitheError as error:
        raise AssertionError(str(error)) from error


def _check_needs(case: _Case) -> None:
    unknown = sorted(set(case.module.NEEDS) - set(case.pool.signals))
    assert not unknown, f"'{case.name}' needs {', '.join(unknown)}: there is {', '.join(sorted(case.pool.signals))}"


def _check_decisions(case: _Case) -> None:
    """Whatever the evidence, it names a strategy that reads no more signals than it declared, and a reason."""
    options = parse_options(case.module, config.Select(strategy=case.name, options=case.options))
    some: list[Evidence | InnerSplit] = [
        Evidence(50, 3, per_class, accuracy, 0.4, 0.9) for per_class in (1, 50, 5000) for accuracy in (0.1, 0.99)
    ]
    for is_frozen in (True, False) if isinstance(case.module, Compares) else ():
        candidates = case.ask("candidates", is_frozen).candidates()
        orders = itertools.permutations(np.linspace(0.1, 0.9, len(candidates)).tolist())
        some += [InnerSplit(candidates, order, order, 1000, is_frozen) for order in orders]
    for evidence in (None, *some):
        decision = case.ask("decide", evidence, options).decision()
        assert decision.reason, f"'{case.name}' gives no reason for {decision.strategy}"
        own = plugins.load("strategies", decision.strategy)
        parse_options(own, config.Select(strategy=decision.strategy, options=dict(decision.options)))
        early = {"probs"} if evidence is None else set()
        lacks = sorted(set(own.NEEDS) - (set(case.module.NEEDS) - early))
        assert not lacks, f"'{case.name}' decides for {decision.strategy}, which reads {', '.join(lacks)} as well"


def _check_budget(case: _Case, share: float, balance: str) -> None:
    """Exact counts and quotas, no row twice, finite scores, the same answer again, and a pool left as it was."""
    pool, floor = case.pool, 0 if share < 0.05 else 1
    where = f"'{case.name}' at budget {share:g}, balance {balance}"
    before = {key: np.array(value) for key, value in pool.signals.items()}
    got = case.select(pool, seed=3, budget=share, balance=balance, floor=floor)
    count = budget_rows(len(pool), share)
    assert len(got) == count, f"{where}: {len(got)} rows instead of {count}"
    assert (np.diff(got.rows) > 0).all() and 0 <= got.rows[0] <= got.rows[-1] < len(pool), f"{where}: rows twice"
    assert sorted(got.rank) == list(range(count)), f"{where}: the ranks are not 0 to {count - 1}"
    assert got.score.shape == (count,), f"{where}: scores of shape {got.score.shape} for {count} rows"
    assert np.isfinite(got.score).all(), f"{where}: a score is not a finite number"
    again = case.select(pool, seed=3, budget=share, balance=balance, floor=floor)
    for one, other in zip((got.rows, got.rank, got.score), (again.rows, again.rank, again.score), strict=True):
        assert (one == other).all(), f"{where}: a second call with the same seed gave another answer: draw from rng"
    if balance == "stratified" and not isinstance(case.module, Divides):
        quota_C = quotas(pool.labels, count, balance, floor)
        chosen_C = np.bincount(pool.labels[got.rows], minlength=len(quota_C))
        assert chosen_C.tolist() == quota_C.tolist(), f"{where}: classes of {chosen_C} rows instead of {quota_C}"
    for key, value in pool.signals.items():
        assert np.array_equal(value, before[key]), f"{where}: the signal {key} was changed: copy before writing"
        assert not value.flags.writeable, f"{where}: the signal {key} was made writeable"


def _check_nesting(case: _Case) -> None:
    """The first ranks of a larger budget are the rows of a smaller one, in the same order; under quotas class by class.

    The quotas of a smaller budget are not always the beginning of those of a larger one, by a row of a class.
    """
    pool, one_class = example_pool(400), np.zeros(400, dtype=np.int64)
    for classes_N, settings in ((one_class, {"balance": "none", "floor": 0}), (pool.labels, {})):
        small, large = (case.select(pool, seed=1, budget=share, **settings) for share in (0.05, 0.1))
        for c in np.unique(classes_N):
            few, more = (got.rows[np.argsort(got.rank)] for got in (small, large))
            few, more = few[classes_N[few] == c], more[classes_N[more] == c]
            lost = int((few != more[: len(few)]).sum())
            assert not lost, (
                f"'{case.name}': {lost} rows of budget 0.05 are not among those of 0.1 in the same order "
                "(nested=False allows it)"
            )


def _check_later_round(case: _Case) -> None:
    """Rows that earlier rounds chose are not chosen again."""
    first = case.select(case.pool, seed=2, budget=0.1)
    more = case.select(case.pool, first.rows, 30, seed=2, budget=0.25)
    assert len(more) == 30 - len(first), f"'{case.name}': {len(more)} rows more instead of {30 - len(first)}"
    assert not set(first.rows) & set(more.rows), f"'{case.name}' chose rows of an earlier round again"
    none = case.select(case.pool, NOTHING, len(first), seed=2, budget=0.1)
    assert (none.rows == first.rows).all(), f"'{case.name}': a first round differs from a selection without rounds"


def _check_one_class_and_one_row(case: _Case) -> None:
    pool = example_pool(30)
    ones = {**dict.fromkeys(("probs", "head_probs"), np.ones((30, 1))), "proxy_probs": np.ones((30, 2, 1))}
    ones["head_labels"] = np.zeros(30, dtype=np.int64)
    single = Pool.of(np.zeros(30, dtype=np.int64), pool.ids, {**pool.signals, **ones})
    got = case.select(single, budget=0.01)
    assert len(got) == 1, f"'{case.name}': {len(got)} rows instead of 1 from a pool of one class"


def _check_rows_all_alike(case: _Case) -> None:
    pool = example_pool(40)
    alike = {key: np.repeat(np.asarray(value)[:1], 40, axis=0) for key, value in pool.signals.items()}
    got = case.select(Pool.of(pool.labels, pool.ids, alike), budget=0.2)
    assert len(got) == 8, f"'{case.name}': {len(got)} rows instead of 8 from rows that are all alike"
