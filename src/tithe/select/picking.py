"""What a strategy is asked for some rows of a pool, in this process or in a worker."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array, Rows
from tithe.select.answers import ask
from tithe.select.pool import Pool
from tithe.select.settings import parse_options
from tithe.select.strategies import Matches

Picked = tuple[Rows, Array]  # rows in the order of choice, and scores or weights, both (K,)


class PartOfPool(NamedTuple):
    """Some rows of a pool, and how many of them to pick, with which random numbers."""

    pool: Pool
    picks: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Picker:
    """A strategy that picks or matches; a worker process loads it by its name."""

    strategy: ModuleType
    settings: config.Select
    options: config.Section

    def __call__(self, part: PartOfPool) -> Picked:
        """Return rows of a part; one that matches gets a single quota, of all of its rows."""
        pool, rows = part.pool, len(part.pool)
        if isinstance(self.strategy, Matches):
            quota_1 = np.array([part.picks])
            answer = ask(self.strategy, self.settings.strategy, "match", pool, quota_1, part.rng, self.options)
            return answer.rows_and_weights(part.picks, rows)
        answer = ask(self.strategy, self.settings.strategy, "pick", pool, part.picks, part.rng, self.options)
        return answer.rows_and_numbers(part.picks, rows, "score")

    def __reduce__(self) -> tuple[Any, ...]:
        return _loaded, (self.settings,)


def _loaded(settings: config.Select) -> Picker:
    strategy = plugins.load("strategies", settings.strategy)
    return Picker(strategy, settings, parse_options(strategy, settings))
