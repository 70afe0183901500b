"""What strategies return, checked: a mistake of an author is one line of who returned what, and what is wanted.

Here or in a worker process, which is given some rows of a pool.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from tithe import config, plugins
from tithe.arrays import Array, Rows
from tithe.errors import InputError, TitheError
from tithe.select.buying.evidence import Candidate, Decision
from tithe.select.pool import Pool
from tithe.select.settings import parse_options
from tithe.select.strategies import Matches

logger = logging.getLogger("tithe")

Picked = tuple[Rows, Array]  # rows in the order of choice, and scores or weights, both (K,)


def title(name: str) -> str:
    """Return what messages call a strategy: its name, or the path of its file."""
    return f"strategy {name}" if plugins.is_file(name) else f"strategy '{name}'"


class Answer(NamedTuple):
    """What a function of a strategy returned; `source` says of which, for messages."""

    source: str
    value: object

    def refusal(self, returned: str, wanted: str) -> TitheError:
        """Return the error that says what was returned, and what should be."""
        return TitheError(f"{self.source} returned {returned}: it should return {wanted}")

    def numbers(self, shape: tuple[int, ...], wanted: str) -> Array:
        """Return the answer as numbers, which may not be finite.

        Raises
        ------
        TitheError
            It has another shape, or is no array of numbers.
        """
        values = _array(self.value)
        if values is None or values.dtype.kind not in "biuf" or values.shape != shape:
            raise self.refusal(_described(self.value), wanted)
        return values.astype(np.float64)

    def rows_and_numbers(self, count: int, among: int, numbers: str) -> tuple[Rows, Array]:
        """Return the answer as distinct rows and a finite number for each, both of shape (count,).

        Parameters
        ----------
        among
            How many rows there were to choose from.
        numbers
            What the numbers are called.

        Raises
        ------
        TitheError
            It is anything else.
        """
        wanted = f"a pair: {count} distinct rows from 0 to {among - 1}, and a finite {numbers} for each"
        if not isinstance(self.value, tuple | list) or len(self.value) != 2:
            raise self.refusal(_described(self.value), wanted)
        rows_K, value_K = _array(self.value[0]), _array(self.value[1])
        if fault := _fault_of_rows(rows_K, count, among):
            raise self.refusal(fault, wanted)
        assert rows_K is not None
        if value_K is None or value_K.dtype.kind not in "biuf" or value_K.shape != (count,):
            raise self.refusal(f"as {numbers}s {_described(self.value[1])}", wanted)
        if not np.isfinite(value_K).all():
            raise self.refusal(f"a {numbers} that is not a finite number", wanted)
        return rows_K.astype(np.int64), value_K.astype(np.float64)

    def rows_and_weights(self, count: int, among: int) -> tuple[Rows, Array]:
        """Return the answer as rows and a weight of each; as `rows_and_numbers`, but weights are not negative.

        Raises
        ------
        TitheError
            It is anything else, or all weights are 0.
        """
        rows_K, weight_K = self.rows_and_numbers(count, among, "weight")
        if (weight_K < 0).any() or not weight_K.any():
            fault = f"the weight {weight_K.min():g}" if (weight_K < 0).any() else "the weight 0 for all rows"
            raise self.refusal(fault, "weights of at least 0, not all 0: a model learns from no others")
        return rows_K, weight_K

    def decision(self) -> Decision:
        """Return the answer as a decision for a strategy that chooses itself.

        Raises
        ------
        TitheError
            It is anything else.
        """
        wanted = "a tithe.select.buying.evidence.Decision: the name of a strategy, a reason, and its options, if any"
        found = self.value
        if not isinstance(found, Decision):
            raise self.refusal(_described(found), wanted)
        if not isinstance(found.strategy, str) or not isinstance(found.options, Mapping):
            raise self.refusal(f"a Decision for {_described(found.strategy)} with {_described(found.options)}", wanted)
        try:
            module = plugins.load("strategies", found.strategy)
        except InputError as error:
            raise TitheError(f"{self.source}: {error}") from error
        if hasattr(module, "decide"):
            raise self.refusal(f"a Decision for '{found.strategy}', which decides itself", wanted)
        return found

    def candidates(self) -> tuple[Candidate, ...]:
        """Return the answer as candidates of an inner split, the first without a filter.

        Raises
        ------
        TitheError
            It is anything else.
        """
        found = tuple(self.value) if isinstance(self.value, tuple | list) else ()
        if not found or not all(isinstance(each, Candidate) for each in found) or found[0].filter:
            wanted = "a tuple of tithe.select.buying.evidence.Candidate, the first without a filter"
            raise self.refusal(_described(self.value), wanted)
        return found


def ask(strategy: ModuleType, name: str, function: str, *arguments: object) -> Answer:
    """Call a function of a strategy.

    Parameters
    ----------
    name
        As the settings have it.

    Raises
    ------
    TitheError
        The code of somebody else's strategy failed; the log has the traceback, at the level DEBUG. An error of tithe's
        own is a bug, and stays what it is.
    """
    source = f"{title(name)}: {function}()"
    try:
        return Answer(source, getattr(strategy, function)(*arguments))
    except (TitheError, MemoryError):  # explained already
        raise
    except Exception as error:
        if strategy.__name__.startswith("tithe."):
            raise
        logger.debug("%s failed", source, exc_info=error)
        raise TitheError(f"{source} failed: {plugins.located(error, Path(strategy.__file__ or ''))}") from error


class PartOfPool(NamedTuple):
    """Some rows of a pool, and how many of them to pick, with which random numbers."""

    pool: Pool
    picks: int
    rng: np.random.Generator


@dataclass(frozen=True)
class Picker:
    """Asks a strategy that picks or matches; a worker process loads it by its name."""

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


def _array(value: object) -> Array | None:
    """Return a value as an array; None if it can't be one."""
    try:
        return np.asarray(value)
    except (TypeError, ValueError, RuntimeError):  # of nested lists of different lengths; of a tensor with a gradient
        return None


def _fault_of_rows(rows_K: Array | None, count: int, among: int) -> str | None:
    """Say what is wrong with rows, if anything."""
    if rows_K is None or rows_K.ndim != 1 or rows_K.dtype.kind not in "iu":
        return f"as rows {_described(rows_K)}"
    if len(rows_K) != count:
        return f"{len(rows_K)} row{'s' * (len(rows_K) != 1)}"
    if (is_outside_K := (rows_K < 0) | (rows_K >= among)).any():
        return f"row {rows_K[is_outside_K][0]}"
    values, counts = np.unique(rows_K, return_counts=True)
    return f"row {values[counts > 1][0]} {counts[counts > 1][0]} times" if len(values) < count else None


def _described(value: object) -> str:
    """Return what a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    shown = " ".join(repr(value).split())[:60]
    return shown if value is None else f"{shown} ({type(value).__name__})"
