"""The global random generators, put back after code that draws from them or seeds them on purpose."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator

import numpy as np


@contextlib.contextmanager
def generators_kept() -> Iterator[None]:
    """Put Python's and NumPy's global generators back when the block ends."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002  they are put back
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002
