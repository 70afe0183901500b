"""Class codes of rows."""

from typing import Any

import numpy as np


def codes(*sizes: int) -> np.ndarray[Any, Any]:
    """Labels of classes of the given sizes, interleaved."""
    labels = np.repeat(np.arange(len(sizes)), sizes)
    return np.random.default_rng(0).permutation(labels)
