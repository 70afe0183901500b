"""Strategies by name."""

import numpy as np

from data_efficiency.strategies.base import DataSelectionStrategy
from tithe import config, plugins
from tithe.arrays import Rows
from tithe.select import selection
from tithe.select.pool import Pool
from tithe.select.settings import parse_options


def get_strategy(name: str, **options: object) -> DataSelectionStrategy:
    """Return the strategy of a name, or of the path of a `.py` file, with settings of its own."""
    return _Named(name, options)


class _Named(DataSelectionStrategy, in_file=False):
    """A strategy that tithe has, or finds."""

    name = ""

    def __init__(self, name: str, options: dict[str, object]) -> None:
        module = plugins.load("strategies", name)
        self.name, self.NEEDS = name, module.NEEDS
        self.options = parse_options(module, config.Select(strategy=name, options=options))

    def select(self, pool: Pool, count: int, rng: np.random.Generator) -> Rows:
        settings = {"balance": "none", "floor": 0, "options": self.options.model_dump()}
        seed = int(rng.integers(2**32))
        chosen = selection.select(pool, config.Select(strategy=self.name, **settings), seed, total=count)
        return chosen.rows[np.argsort(chosen.rank)]
