"""Random shapes and a little noise, as what photographs are cut from and changed by."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def picture(height: int = 64, width: int = 64, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (width, height)).astype(int)
    return (coarse + rng.integers(-9, 10, coarse.shape)).clip(0, 255).astype(np.uint8)
