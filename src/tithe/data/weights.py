"""Weights of training rows: read from a column, combined, described."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tithe.arrays import Array
from tithe.errors import InputError

_SHOWN = 40


def parse(raw: object) -> float:
    """Return the weight that a file has for a row.

    Raises
    ------
    InputError
        It is not a finite number of at least 0.
    """
    try:
        value = float("" if raw is None or isinstance(raw, bool) else raw)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        shown = "no weight" if raw in (None, "") else f"weight '{' '.join(str(raw).split())[:_SHOWN]}'"
        raise InputError(f"{shown}: each training row needs a finite number of at least 0")
    return value


def combined(*weights: Array | None) -> Array | None:
    """Return the product of weights, float32, shape (N,), with mean 1; None where all rows count the same.

    Only their ratios matter, since the loss of a step is divided by the sum of its weights.

    Raises
    ------
    InputError
        All are 0.
    """
    given = [weights_N for weights_N in weights if weights_N is not None]
    if not given:
        return None
    product_N = np.prod([weights_N / max(weights_N.max(), np.finfo(float).tiny) for weights_N in given], axis=0)
    if not product_N.any():
        raise InputError(f"the weights of all {len(product_N)} training rows are 0: give some of them a weight above 0")
    if product_N.min() == product_N.max():
        return None
    shares_N: Array = (product_N / product_N.mean()).astype(np.float32)
    return shares_N


def describe(column: str, weights_N: Array) -> dict[str, Any]:
    """Return what the report on the data says about the weights of the training rows.

    Raises
    ------
    InputError
        All are 0.
    """
    combined(weights_N)
    return {
        "column": column,
        "rows": len(weights_N),
        "zero": int((weights_N == 0).sum()),
        "smallest": float(weights_N.min()),
        "largest": float(weights_N.max()),
        "mean": float(weights_N.mean()),
    }
