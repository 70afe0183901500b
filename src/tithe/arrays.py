"""Types of arrays; arrays larger than memory. A variable's suffix gives its shape, as in `probs_NC`."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np

from tithe import storage

Array = np.ndarray[Any, np.dtype[Any]]
Rows = np.ndarray[Any, np.dtype[np.int64]]

_IN_MEMORY = 1 << 26  # bytes up to which an array needs no file
_AT_ONCE = 1 << 18  # numbers that are worked on at once


def on_disk(shape: tuple[int, ...], dtype: type[np.generic] | np.dtype[Any]) -> Array:
    """Return zeros: of a large array in a file without a name beside the cache, which is gone with the array."""
    if math.prod(shape) * np.dtype(dtype).itemsize <= _IN_MEMORY:
        return np.zeros(shape, dtype)
    storage.cache_dir().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=storage.cache_dir()) as file:
        return np.memmap(file, dtype, "w+", shape=shape)


def rows_of(array: Array, rows: Rows, dtype: type[np.generic] | None = None) -> Array:
    """Return some rows of an array, of another type if one is given.

    Rows that follow one another are a view, others a copy, which is as `on_disk` where it is large: what is
    memory-mapped is not read into memory.
    """
    kind = np.dtype(dtype or array.dtype)
    follow = len(rows) > 0 and rows[-1] - rows[0] == len(rows) - 1 and bool((np.diff(rows) == 1).all())
    if follow and kind == array.dtype and array.flags.c_contiguous:  # in another order sums have other last bits
        return np.asarray(array[rows[0] : rows[-1] + 1])
    out = on_disk((len(rows), *array.shape[1:]), kind)
    step = max(1, _AT_ONCE * len(array) // max(1, array.size))
    for start in range(0, len(rows), step):
        out[start : start + step] = array[rows[start : start + step]]
    return np.asarray(out)


def by_rows(function: Callable[[Array, slice], Array], array: Array) -> Array:
    """Return what a function makes of each row of an array, which is called with some of them, and their place."""
    rows = max(1, _AT_ONCE * len(array) // max(1, array.size))
    places = [slice(start, start + rows) for start in range(0, max(1, len(array)), rows)]
    return np.concatenate([function(array[place], place) for place in places])
