"""Type aliases of arrays; a variable's suffix gives its shape, as in `probs_NC`."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Rows = np.ndarray[Any, np.dtype[np.int64]]
