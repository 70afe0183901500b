"""The base class of strategies that are written as classes."""

import sys

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.errors import InputError
from tithe.select.pool import Pool
from tithe.select.settings import parse_options


class DataSelectionStrategy:
    """A rule by which training rows are chosen; a subclass in a file of its own makes that file a strategy of tithe.

    The file is then one for `strategy_name`, `tithe select` and `tithe suite`, by its path: docs/extending.md.

    Attributes
    ----------
    NEEDS
        Names of the signals that `select` reads as attributes of the pool.
    Options
        Its own settings, a `tithe.config.Section`.
    options
        Their values, given to the class by name.
    """

    NEEDS: tuple[str, ...] = ()
    Options: type[config.Section] = config.Section

    def __init_subclass__(cls, in_file: bool = True) -> None:
        """Give the module of a subclass what tithe asks a strategy for: `NEEDS`, `Options` and `pick`."""
        super().__init_subclass__()
        module = sys.modules[cls.__module__]
        earlier = vars(module).get("STRATEGY", DataSelectionStrategy)
        if not issubclass(cls, earlier):
            raise TypeError(f"{earlier.__name__} and {cls.__name__} are in one file: give each strategy its own")
        if in_file:
            module.STRATEGY, module.NEEDS, module.Options, module.pick = cls, cls.NEEDS, cls.Options, cls._pick

    def __init__(self, **options: object) -> None:
        self.options = parse_options(type(self), config.Select(strategy=self.name, options=options))

    @property
    def name(self) -> str:
        """What a config calls the strategy: the path of its file."""
        file = getattr(sys.modules[type(self).__module__], "__file__", None)
        if file is None:
            raise InputError(f"class {type(self).__name__} is not in a file: write it to one, and import it from there")
        return file

    def select(self, pool: Pool, count: int, rng: np.random.Generator) -> Rows:
        """Return `count` distinct rows of the pool, 0 to N−1, shape (K,), the one to keep first first.

        `pool.labels` (N,) is there besides the signals; `rng` is the only source of randomness. The budget is divided
        among the classes before: the pool is one class of it, unless `select.balance` is none.
        """
        raise NotImplementedError(f"{type(self).__name__} has no select()")

    @classmethod
    def _pick(cls, pool: Pool, count: int, rng: np.random.Generator, options: config.Section) -> tuple[Rows, Array]:
        """Do what `pick` of a strategy does; see `tithe.select.strategies`. The k-th row has the score 1/k."""
        rows = cls(**options.model_dump()).select(pool, count, rng)
        return np.asarray(rows), 1 / np.arange(1, len(rows) + 1)
