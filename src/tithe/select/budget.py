"""How many rows a budget is, and how many each class gets."""

from __future__ import annotations

from math import floor as floor_of

import numpy as np

from tithe import config
from tithe.arrays import Array, Rows
from tithe.console import counted
from tithe.data.splits import largest_remainder
from tithe.errors import InputError


def budget_rows(rows: int, fraction: float) -> int:
    """Return the rows that a share of a pool makes, rounded half up: one at least, all at most."""
    return min(rows, max(1, floor_of(fraction * rows + 0.5 + 1e-9)))


def quotas(labels_N: Rows, count: int, balance: str, floor: int, want_C: Array | None = None) -> Rows:
    """Share a budget among the classes, exactly; each gets `floor` of its rows first, so that none starves.

    Parameters
    ----------
    want_C
        In proportion to what the classes share it, shape (C,), instead of their sizes or equally.

    Raises
    ------
    InputError
        The budget is smaller than that.
    """
    sizes_C = np.bincount(labels_N)
    first_C = np.minimum(sizes_C, floor)
    if count < first_C.sum():
        need = "1 class needs" if (sizes_C > 0).sum() == 1 else f"{int((sizes_C > 0).sum())} classes need"
        raise InputError(
            f"select.budget gives {counted(count, 'row')}, fewer than the {first_C.sum()} that {need} at select.floor "
            f"{floor}: raise the budget, or lower the floor"
        )
    if want_C is None:
        want_C = sizes_C if balance == "stratified" else (sizes_C > 0).astype(np.int64)
    more_C = np.maximum(count * want_C / want_C.sum() - first_C, 0)
    return first_C + largest_remainder(more_C, count - int(first_C.sum()), sizes_C - first_C)


def remaining_quota(
    labels_N: Rows, total: int, settings: config.Select, taken: Rows, want_C: Array | None = None
) -> Rows:
    """Return how many rows each class still gets, shape (C,), summing to what is left of the total; see `quotas`."""
    quota_C = quotas(labels_N, total, settings.balance, settings.floor, want_C)
    more_C: Rows = np.maximum(quota_C - np.bincount(labels_N[taken], minlength=len(quota_C)), 0)
    for _ in range(int(more_C.sum()) - (total - len(taken))):  # a larger total may give a class one row less
        more_C[more_C.argmax()] -= 1
    return more_C
