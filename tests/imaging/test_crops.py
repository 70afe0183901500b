"""Pieces of photographs: their places, their mirrors, their twins."""

from __future__ import annotations

import numpy as np
import pytest

from support.pictures import Array, picture
from tithe.imaging import crops


def places(height: int, width: int) -> Array:
    """Return an image whose pixels tell where they are: (row, column, 0)."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


def test_random_pieces_come_from_everywhere() -> None:
    image = places(9, 12)
    found = set()
    for seed in range(400):
        piece = crops.random(image, 8, np.random.default_rng(seed))
        top, left, _ = piece[0, 0].tolist()
        np.testing.assert_array_equal(piece, image[top : top + 8, left : left + 8])
        found.add((top, left))
    assert found == {(top, left) for top in range(2) for left in range(5)}


def test_equal_generators_cut_twins_at_one_place() -> None:
    real, fake = places(50, 70), places(50, 70) + np.array([0, 0, 200], np.uint8)
    for seed in range(20):
        pair = [crops.random(twin, 32, np.random.default_rng(seed)) for twin in (real, fake)]
        np.testing.assert_array_equal(pair[0][..., :2], pair[1][..., :2])


@pytest.mark.parametrize(
    ("height", "width", "count", "expected"),
    [
        (10, 10, 1, [(1, 1)]),
        (11, 10, 1, [(1, 1)]),
        (10, 10, 4, [(0, 0), (0, 2), (2, 0), (2, 2)]),
        (8, 14, 4, [(0, 0), (0, 2), (0, 4), (0, 6)]),
        (14, 8, 3, [(0, 0), (3, 0), (6, 0)]),
        (12, 24, 6, [(0, 0), (0, 8), (0, 16), (4, 0), (4, 8), (4, 16)]),
        (10, 18, 5, [(1, 0), (1, 2), (1, 5), (1, 7), (1, 10)]),
        (8, 8, 4, [(0, 0)] * 4),
    ],
)
def test_even_pieces_stand_in_a_grid_from_edge_to_edge(
    height: int, width: int, count: int, expected: list[tuple[int, int]]
) -> None:
    found = crops.even(places(height, width), 8, count)
    assert found.shape == (count, 8, 8, 3) and found.dtype == np.uint8
    assert [tuple(piece[0, 0, :2].tolist()) for piece in found] == expected


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (2, 3), (5, 8), (7, 20), (8, 8), (30, 31)])
def test_a_small_photograph_goes_on_as_its_mirror_image(size: tuple[int, int]) -> None:
    image = picture(*size)
    found = crops.padded(image, 8)
    assert found.shape == (max(8, size[0]), max(8, size[1]), 3)
    missing = [(0, max(0, 8 - side)) for side in size]
    np.testing.assert_array_equal(found, np.pad(image, [*missing, (0, 0)], mode="reflect"))
    assert crops.even(image, 8, 4).shape == (4, 8, 8, 3)
    assert crops.random(image, 8, np.random.default_rng(0)).shape == (8, 8, 3)


def test_a_piece_does_not_keep_the_whole_photograph_alive() -> None:
    assert crops.random(picture(), 8, np.random.default_rng(0)).base is None
