"""The views of a picture: the whole of it, and crops at its own resolution."""

from __future__ import annotations

import numpy as np
import pytest

from tithe.imaging import crops, views


def test_the_whole_comes_first_and_the_crops_are_not_resized() -> None:
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    found = views.views(image, 32, 4)
    assert found.shape == (5, 32, 32, 3) and found.dtype == np.uint8
    assert np.array_equal(found[1:], crops.even(image, 32, 4))
    assert np.array_equal(found[0], views.whole(image, 32))


def test_the_whole_is_the_square_in_the_middle() -> None:
    image = np.zeros((40, 120, 3), np.uint8)
    image[:, 40:80] = 200
    assert (views.whole(image, 16) == 200).all()
    assert np.array_equal(views.whole(image, 16), views.whole(image[:, 40:80], 16))


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (5000, 2)])
def test_a_thin_picture_has_views(shape: tuple[int, int]) -> None:
    assert views.views(np.full((*shape, 3), 7, np.uint8), 16, 2).shape == (3, 16, 16, 3)
