"""Plain statistics of images: what planted waves and grids make of them."""

from __future__ import annotations

import numpy as np
import pytest

from support.photographs import photograph
from tithe.imaging import statistics

PHASES = 2 * 4 * 3  # of two directions, four places of the grid, three channels


@pytest.mark.parametrize("across", range(1, 8))
def test_a_planted_cosine_is_the_largest_of_its_row(across: int) -> None:
    wave_8 = 128 + 100 * np.cos((np.arange(8) + 0.5) * np.pi * across / 8)
    image = np.repeat(np.tile(wave_8, (64, 8)).round().astype(np.uint8)[..., None], 3, axis=2)
    cosines_88 = statistics.plain(image)[:64].reshape(8, 8)
    assert cosines_88[0, 1:].argmax() == across - 1 and cosines_88[1:].max() < 0.1


def test_pixels_that_stand_in_squares_differ_by_their_place() -> None:
    real = photograph(0, 64, 64)
    squares = real[::2, ::2].repeat(2, axis=0).repeat(2, axis=1)
    assert np.abs(statistics.plain(real)[-PHASES:]).max() < 0.3
    # Beside a pixel that repeats, the second derivative is a difference; it is the same at both places of a square.
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    noise[::2] = 128
    assert np.abs(statistics.plain(noise)[-PHASES:]).max() > 2
    assert not np.allclose(statistics.plain(squares), statistics.plain(real), atol=0.5)


@pytest.mark.parametrize("shape", [(8, 8), (8, 300), (33, 17), (256, 256)])
def test_images_of_all_sizes_have_as_many_numbers(shape: tuple[int, int]) -> None:
    blank = np.full((*shape, 3), 77, dtype=np.uint8)
    for image in (blank, photograph(1, *shape)):
        values_F = statistics.plain(image)
        assert values_F.shape == (64 + 65 + PHASES,) and np.isfinite(values_F).all()
