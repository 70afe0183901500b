"""Strategies: one rule each by which training rows are chosen, one file each, found by the file's name.

A strategy is a module that satisfies one of the protocols below: `NEEDS`, and one function. Settings of its own, if
any, are a `config.Section` named `Options`; `select.options` of a config is parsed into it. Where tithe's own now
choose other rows than before, their `VERSION` says so, and no cache or checkpoint is taken for one of the new version.
Rows are positions in the pool, 0 to N−1. Budget, quotas of the classes, ties and checks are the same for all
strategies: see `tithe.select.selection`.
"""

from __future__ import annotations

from typing import Protocol, TypeVar, runtime_checkable

import numpy as np

from tithe.arrays import Array, Rows
from tithe.select.buying.evidence import Candidate, Decision, Evidence, InnerSplit
from tithe.select.pool import Pool

OptionsT = TypeVar("OptionsT", contravariant=True)


@runtime_checkable
class Scores(Protocol[OptionsT]):
    """A strategy that scores every row independently of the budget: the rows with the highest scores are chosen.

    Attributes
    ----------
    NEEDS
        Names of the signals that it reads as attributes of the pool, which holds no others.
    """

    @property
    def NEEDS(self) -> tuple[str, ...]: ...  # noqa: D102
    def score(self, pool: Pool, rng: np.random.Generator, options: OptionsT) -> Array:
        """Return the score of each row, higher = keep, finite, shape (N,); ties go to the lowest row.

        The pool is read-only and `rng` is the only source of randomness. `options` is of the module's `Options`; a
        strategy that has none declares `object`.
        """
        ...


@runtime_checkable
class Picks(Protocol[OptionsT]):
    """A strategy that picks rows one after another, each in view of those before it.

    Attributes
    ----------
    NEEDS
        As for `Scores`.
    """

    @property
    def NEEDS(self) -> tuple[str, ...]: ...  # noqa: D102
    def pick(self, pool: Pool, count: int, rng: np.random.Generator, options: OptionsT) -> tuple[Rows, Array]:
        """Return `count` distinct rows in the order of choice, and the score of each when it was picked, both (K,).

        `pool.chosen` are the embeddings of rows that were chosen earlier, from which new ones should differ; the other
        arguments are as for `Scores.score`.
        """
        ...


@runtime_checkable
class Matches(Protocol[OptionsT]):
    """A strategy that chooses rows of all classes together, and may weigh them, to represent the pool together.

    Attributes
    ----------
    NEEDS
        As for `Scores`.
    """

    @property
    def NEEDS(self) -> tuple[str, ...]: ...  # noqa: D102
    def match(self, pool: Pool, quota_C: Rows, rng: np.random.Generator, options: OptionsT) -> tuple[Rows, Array]:
        """Return distinct rows, as many of each of `pool.groups` as its quota says, and the weight of each, both (K,).

        A weight of 1 counts as N / K rows of the pool; it is finite and at least 0. Where classes have no quotas,
        there is one of all rows: then `quota_C` has one number. The first row is the one to keep first.
        """
        ...


@runtime_checkable
class Divides(Protocol[OptionsT]):
    """A strategy of one of the kinds above that also divides the budget among the classes itself."""

    def divide(self, pool: Pool, count: int, options: OptionsT) -> Array:
        """Return how many of `count` rows each class should have, shape (C,): numbers of at least 0, not rounded.

        `select.floor` and the sizes of the classes are kept, whatever they are. Used where `select.balance` is
        stratified: uniform and none are what the user wants instead.
        """
        ...


@runtime_checkable
class Decides(Protocol[OptionsT]):
    """A strategy that leaves the choice to another: by bought labels, round by round (track T0).

    Attributes
    ----------
    NEEDS
        All signals that the strategies need which it may name.
    """

    @property
    def NEEDS(self) -> tuple[str, ...]: ...  # noqa: D102
    def decide(self, evidence: Evidence | InnerSplit | None, options: OptionsT) -> Decision:
        """Return which strategy chooses the rows of a round, and why; there is no evidence before the first of T0."""
        ...


@runtime_checkable
class Compares(Decides[OptionsT], Protocol[OptionsT]):
    """One that also decides where all labels are known (track T1), by an inner split."""

    def candidates(self, is_frozen: bool) -> tuple[Candidate, ...]:
        """Return what the inner split compares, for an encoder that is frozen or trained; the first has no filter."""
        ...
