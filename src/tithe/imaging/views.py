"""What an encoder of images sees of a picture: the whole of it, made smaller, and crops at its own resolution.

The whole shows what the picture is of; crops, which are never resized, keep the traces of how it was made.
"""

from __future__ import annotations

import numpy as np

from tithe.imaging import Pixels, backends, crops


def views(image_HW3: Pixels, side: int, count: int) -> Pixels:
    """Return the whole picture and evenly spaced crops of it, uint8, shape (1 + count, side, side, 3)."""
    return np.concatenate([whole(image_HW3, side)[None], crops.even(image_HW3, side, count)])


def whole(image_HW3: Pixels, side: int) -> Pixels:
    """Return the largest square in the middle of a picture, resized as encoders were trained, shape (side, side, 3)."""
    shorter = min(image_HW3.shape[:2])
    top, left = ((length - shorter) // 2 for length in image_HW3.shape[:2])
    square_HW3 = np.ascontiguousarray(image_HW3[top : top + shorter, left : left + shorter])
    pillow = backends.pillow()
    return np.asarray(pillow.fromarray(square_HW3).resize((side, side), pillow.Resampling.BICUBIC))
