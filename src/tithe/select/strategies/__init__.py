"""Strategies: one rule each by which training rows are chosen, one file each, found by the file's name.

A strategy is a module that satisfies `Scores` or `Picks`: `NEEDS`, and one function. Settings of its own, if any, are
a `config.Section` named `Options`; `select.options` of a config is parsed into it. Where tithe's own now choose other
rows than before, their `VERSION` says so, and no cache or checkpoint is taken for one of the new version. Rows are
positions in the pool, 0 to N−1. Budget, quotas of the classes, ties and checks are the same for all strategies: see
`tithe.select.selection`.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias, TypeVar, runtime_checkable

import numpy as np

from tithe.arrays import Array, Rows
from tithe.config import Section
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


Strategy: TypeAlias = Scores[Section] | Picks[Section]
