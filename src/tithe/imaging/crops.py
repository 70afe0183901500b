"""Square crops of an image, never resized: resampling would destroy the traces that a detector looks for.

An image smaller than the crop is padded by reflection, to the right and below, as often as needed, so that its
compression grid keeps its position.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Rows
from tithe.imaging import Pixels


def random(image_HW3: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Return a random crop, shape (size, size, 3); equal generators and image sizes give the same position."""
    image_HW3 = padded(image_HW3, size)
    top, left = (int(rng.integers(side - size + 1)) for side in image_HW3.shape[:2])
    return np.ascontiguousarray(image_HW3[top : top + size, left : left + size])  # a view would keep the full image


def even(image_HW3: Pixels, size: int, count: int) -> Pixels:
    """Return crops on an even grid from edge to edge, row by row, shape (count, size, size, 3).

    A single crop is the centre. More use the grid of exactly `count` positions with the widest spacing; a small image
    may give the same crop more than once.
    """
    image_HW3 = padded(image_HW3, size)
    free = [side - size for side in image_HW3.shape[:2]]
    down = max((n for n in range(1, count + 1) if count % n == 0), key=lambda n: _gap(free, n, count // n))
    tops, lefts = _offsets(free[0], down), _offsets(free[1], count // down)
    return np.stack([image_HW3[top : top + size, left : left + size] for top in tops for left in lefts])


def padded(image_HW3: Pixels, size: int) -> Pixels:
    """Return the image, padded by reflection where a side is shorter than `size`."""
    height, width = image_HW3.shape[:2]
    if min(height, width) >= size:
        return image_HW3
    return image_HW3[_reflected(height, size)][:, _reflected(width, size)]


def _reflected(side: int, size: int) -> Rows:
    """Return at least `size` indices: 0 to side − 1, back without repeating the edge, and so on."""
    period = max(1, 2 * side - 2)
    index = np.arange(max(side, size)) % period
    return np.minimum(index, period - index)


def _gap(free: list[int], down: int, across: int) -> float:
    """Return the smallest distance between grid neighbours; infinite along a side with one position."""
    return min(side / (n - 1) if n > 1 else np.inf for side, n in zip(free, (down, across), strict=True))


def _offsets(free: int, count: int) -> list[int]:
    if count == 1:
        return [free // 2]
    return [free * i // (count - 1) for i in range(count)]
