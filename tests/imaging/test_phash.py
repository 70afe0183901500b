"""Perceptual hashes against planted frequencies and brute force; groups of near duplicates, exact and quick."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest

from tithe.errors import InputError
from tithe.imaging import degradations
from tithe.imaging.phash import near_duplicates, phash

Array = np.ndarray[Any, np.dtype[Any]]


def photograph(seed: int, side: int = 256) -> Array:
    """Return random shapes at scales from coarse to fine, the coarse ones strongest, as in nature."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), 128.0)
    for cells in (3, 6, 12, 24):
        image += cv2.resize(rng.normal(0, 120 / cells, (cells, cells, 3)), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.rint(image).clip(0, 255).astype(np.uint8)


def bits(a: int, b: int) -> int:
    return (a ^ b).bit_count()


# ---- the hash


@pytest.mark.parametrize("seed", range(5))
def test_planted_frequencies_are_the_bits(seed: int) -> None:
    """The signs of 64 cosines, half of them positive, are read back row by row, the highest bit first."""
    rng = np.random.default_rng(seed)
    planted = rng.permutation(np.repeat([0, 1], 32))
    place = (np.arange(32) + 0.5) * np.pi / 32
    waves = np.cos(np.outer(np.arange(1, 9), place))
    grey = 128 + np.einsum("uv,uy,vx->yx", planted.reshape(8, 8) * 2.0 - 1, waves, waves) * 1.5
    image = np.repeat(np.rint(grey).clip(0, 255).astype(np.uint8)[..., None], 3, axis=2)
    assert f"{phash(image):064b}" == "".join(map(str, planted))


def test_half_of_the_bits_are_set() -> None:
    for seed in range(10):
        assert phash(photograph(seed)).bit_count() == 32


@pytest.mark.parametrize("level", [0, 1, 128, 255])
@pytest.mark.parametrize("size", [(1, 1), (32, 32), (100, 37)])
def test_one_colour_is_zero(level: int, size: tuple[int, int]) -> None:
    assert phash(np.full((*size, 3), level, np.uint8)) == 0


def test_a_mirror_turns_the_signs_of_odd_frequencies() -> None:
    """An odd cosine changes its sign, an even one does not; with the median at 0, so do the bits."""
    odd = sum(1 << (63 - i) for i in range(64) if i % 8 % 2 == 0)  # column 0 is frequency 1
    for seed in range(10):
        image = photograph(seed)
        assert bits(phash(np.ascontiguousarray(image[:, ::-1])), phash(image) ^ odd) <= 8


@pytest.mark.parametrize("name", ["jpeg_60", "webp_80", "blur_2", "noise_5", "half_double_bicubic", "bilateral"])
def test_processing_moves_few_bits(name: str) -> None:
    for seed in range(10):
        image = photograph(seed)
        assert bits(phash(image), phash(degradations.NAMES[name](image))) <= 4


def test_size_moves_few_bits_and_other_photographs_many() -> None:
    images = [photograph(seed) for seed in range(12)]
    for image in images:
        for side in (64, 100, 400):
            assert bits(phash(image), phash(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))) <= 4
    apart = [bits(phash(a), phash(b)) for i, a in enumerate(images) for b in images[:i]]
    assert min(apart) > 10 and 28 < np.mean(apart) < 36


# ---- groups


def brute_force(hashes_N: Array, distance: int) -> list[list[int]]:
    near_NN = np.bitwise_count(hashes_N[:, None] ^ hashes_N[None]) <= distance
    left, groups = set(range(len(hashes_N))), []
    while left:
        group, edge = set(), {min(left)}
        while edge:
            group |= edge
            edge = set(np.flatnonzero(near_NN[sorted(edge)].any(axis=0)).tolist()) - group
        left -= group
        groups.append(sorted(group))
    return [group for group in groups if len(group) > 1]


def crowd(seed: int, count: int, distance: int) -> Array:
    """Return random hashes, and copies of them with about as many bits changed as still count as near."""
    rng = np.random.default_rng(seed)
    hashes = [int(h) for h in rng.integers(0, 2**64, count // 2, dtype=np.uint64)]
    while len(hashes) < count:
        new = hashes[rng.integers(len(hashes))]
        for bit in rng.choice(64, rng.integers(0, distance + 3), replace=False):
            new ^= 1 << int(bit)
        hashes.append(new)
    return rng.permutation(np.array(hashes, dtype=np.uint64))


@pytest.mark.parametrize("distance", [0, 1, 2, 4, 7, 12, 32])
@pytest.mark.parametrize("seed", range(6))
def test_groups_are_those_of_brute_force(seed: int, distance: int) -> None:
    hashes_N = crowd(seed, 300, distance)
    found = near_duplicates(hashes_N, distance)
    assert [group.tolist() for group in found] == brute_force(hashes_N, distance)


@pytest.mark.parametrize("seed", range(4))
def test_dense_hashes_too(seed: int) -> None:
    """Hashes of few bits: every band is shared by many, and chains are long."""
    hashes_N = np.random.default_rng(seed).integers(0, 2**12, 200).astype(np.uint64) << np.uint64(26)
    for distance in (0, 1, 2):
        assert [g.tolist() for g in near_duplicates(hashes_N, distance)] == brute_force(hashes_N, distance)


@pytest.mark.parametrize(
    ("hashes", "expected"),
    [
        ([], []),
        ([7], []),
        ([7, 7], [[0, 1]]),
        ([0, 2**64 - 1], []),
        ([0b1111, 0, 2**40], [[0, 1, 2]]),  # 5 bits from first to last, by way of the second
        ([0b11111, 0], []),
        ([2**63, 1023 << 20, 2**63 + 1, 1023 << 20, 2**63], [[0, 2, 4], [1, 3]]),
    ],
)
def test_groups_known_answers(hashes: list[int], expected: list[list[int]]) -> None:
    assert [group.tolist() for group in near_duplicates(np.array(hashes, dtype=np.uint64))] == expected


def test_a_hundred_thousand_hashes_and_as_many_copies_of_one() -> None:
    rng = np.random.default_rng(0)
    hashes_N = rng.integers(0, 2**64, 100_000, dtype=np.uint64)
    hashes_N[::1000] ^= hashes_N[1::1000] ^ hashes_N[::1000] ^ np.uint64(0b1001)  # 2 bits from their neighbours
    found = near_duplicates(hashes_N)
    assert [group.tolist() for group in found] == [[i, i + 1] for i in range(0, 100_000, 1000)]
    assert len(near_duplicates(np.zeros(100_000, dtype=np.uint64))[0]) == 100_000


def test_a_row_may_join_two_groups_at_once() -> None:
    """The row in the middle links its neighbour to a group that was found earlier, under a lower row."""
    hashes_N = np.array([0b11, 1 << 32, 1 << 32 | 0b01, 1 << 32 | 0b11], dtype=np.uint64)
    assert [group.tolist() for group in near_duplicates(hashes_N, distance=1)] == [[0, 1, 2, 3]]


@pytest.mark.parametrize("distance", [-1, 33])
def test_a_distance_out_of_range(distance: int) -> None:
    with pytest.raises(InputError, match=f"a distance of {distance} bits: choose 0 to 32"):
        near_duplicates(np.zeros(2, dtype=np.uint64), distance)
