"""Image pixels and files: decode, crop, augment, hash, and read metadata."""

from __future__ import annotations

from typing import Any

import numpy as np

# uint8, shape (H, W, 3), RGB, as stored: no orientation applied.
Pixels = np.ndarray[Any, np.dtype[np.uint8]]
