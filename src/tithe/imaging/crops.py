"""Square pieces of a photograph, cut and never resized: resampling would wash away what a detector looks for.

A photograph that is smaller than the piece goes on, to the right and below, as its own mirror image, as often as
needed; so the grid of its compression stays where it was.
"""

from __future__ import annotations

import numpy as np

from tithe.arrays import Rows
from tithe.imaging import Pixels


def random(image_HW3: Pixels, size: int, rng: np.random.Generator) -> Pixels:
    """Return a piece from anywhere, shape (size, size, 3); images of one size and equal generators give one place."""
    image_HW3 = padded(image_HW3, size)
    top, left = (int(rng.integers(side - size + 1)) for side in image_HW3.shape[:2])
    return np.ascontiguousarray(image_HW3[top : top + size, left : left + size])  # or the whole image stays in memory


def even(image_HW3: Pixels, size: int, count: int) -> Pixels:
    """Return pieces in an even grid from edge to edge, row by row, shape (count, size, size, 3).

    One piece is the centre. More stand in the grid of exactly `count` places whose neighbours lie farthest apart; a
    photograph without room for that gives the same piece more than once.
    """
    image_HW3 = padded(image_HW3, size)
    room = [side - size for side in image_HW3.shape[:2]]
    down = max((n for n in range(1, count + 1) if count % n == 0), key=lambda n: _gap(room, n, count // n))
    tops, lefts = _offsets(room[0], down), _offsets(room[1], count // down)
    return np.stack([image_HW3[top : top + size, left : left + size] for top in tops for left in lefts])


def padded(image_HW3: Pixels, size: int) -> Pixels:
    """Return an image of at least `size` on each side, the given one where it is that large."""
    height, width = image_HW3.shape[:2]
    if min(height, width) >= size:
        return image_HW3
    return image_HW3[_mirrored(height, size)][:, _mirrored(width, size)]


def _mirrored(side: int, size: int) -> Rows:
    """Return rows 0 to side − 1, then back without repeating the edge, and forth, at least `size` of them."""
    period = max(1, 2 * side - 2)
    place = np.arange(max(side, size)) % period
    return np.minimum(place, period - place)


def _gap(room: list[int], down: int, across: int) -> float:
    """Return the least distance between neighbours in a grid: there are none in a line of one."""
    return min(side / (n - 1) if n > 1 else np.inf for side, n in zip(room, (down, across), strict=True))


def _offsets(room: int, count: int) -> list[int]:
    if count == 1:
        return [room // 2]
    return [room * i // (count - 1) for i in range(count)]
