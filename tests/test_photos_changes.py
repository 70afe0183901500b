"""Pieces of photographs and what is done to them: places, mirrors, twins, determinism, known answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import cv2
import numpy as np
import pytest

from tithe.errors import InputError
from tithe.photos import augment, crops, degrade, processing
from tithe.photos.augment import Recipe

Array = np.ndarray[Any, np.dtype[Any]]


def picture(height: int = 64, width: int = 64, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), (width, height)).astype(int)
    return (coarse + rng.integers(-9, 10, coarse.shape)).clip(0, 255).astype(np.uint8)


def places(height: int, width: int) -> Array:
    """Return an image whose pixels tell where they are: (row, column, 0)."""
    rows, columns = np.meshgrid(np.arange(height), np.arange(width), indexing="ij")
    return np.stack([rows, columns, np.zeros_like(rows)], axis=2).astype(np.uint8)


# ---- crops


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


# ---- augment

EACH = {
    "flip": Recipe(flip=True),
    "turns": Recipe(turns=1),
    "resample": Recipe(resample=(0.5, "area", "cubic")),
    "blur": Recipe(blur=1.5),
    "tone": Recipe(tone=(20.0, 1.2, 0.6)),
    "noise": Recipe(noise=(5.0, 1)),
    "jpeg": Recipe(compress=("jpeg", 50)),
    "webp": Recipe(compress=("webp", 50)),
    "cut_out": Recipe(cut_out=(0.25, 0.5, 1.0)),
}


@pytest.mark.parametrize("change", EACH)
def test_each_change_changes_a_copy(change: str) -> None:
    image = picture()
    before = image.copy()
    found = augment.apply(EACH[change], image)
    assert found.shape == image.shape and found.dtype == np.uint8 and found.flags.c_contiguous
    assert (found != before).any()
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(augment.apply(EACH[change], image), found)


def test_no_change_is_none() -> None:
    np.testing.assert_array_equal(augment.apply(Recipe(), picture()), picture())


def test_known_answers() -> None:
    image = picture()
    np.testing.assert_array_equal(augment.apply(EACH["flip"], image), image[:, ::-1])
    np.testing.assert_array_equal(augment.apply(EACH["turns"], image)[0], image[:, -1])  # against the clock
    cut = augment.apply(EACH["cut_out"], image)
    assert (cut[24:40, 48:] == augment.GREY).all()
    cut[24:40, 48:] = image[24:40, 48:]
    np.testing.assert_array_equal(cut, image)


def test_turns_compose() -> None:
    image = picture()
    for turns in range(4):
        back = augment.apply(Recipe(turns=4 - turns), augment.apply(Recipe(turns=turns), image))
        np.testing.assert_array_equal(back, image)


def test_compression_comes_after_everything_but_the_square() -> None:
    image = picture()
    for earlier in ("flip", "turns", "resample", "blur", "tone", "noise"):
        recipe = replace(EACH[earlier], compress=("jpeg", 40))
        found = augment.apply(recipe, image)
        by_hand = processing.recoded(augment.apply(EACH[earlier], image), "jpeg", 40)
        np.testing.assert_array_equal(found, by_hand)
    both = augment.apply(replace(EACH["cut_out"], compress=("jpeg", 40)), image)
    assert (both[24:40, 48:] == augment.GREY).all()


def test_twins_differ_in_nothing_that_was_done_to_them() -> None:
    """Under equal generators the same is drawn, whatever the pixels are, and the noise is the same."""
    for seed in range(40):
        rngs = [np.random.default_rng(seed) for _ in range(2)]
        recipes = [augment.draw(rng) for rng in rngs]
        assert recipes[0] == recipes[1]
        for image in (picture(seed=1), picture(seed=2)):
            rng = np.random.default_rng(seed)
            np.testing.assert_array_equal(augment.augment(image, rng), augment.apply(recipes[0], image))
            assert rng.random() == np.random.Generator.random(_after(seed))
    grey = np.full((16, 16, 3), 128, np.uint8)
    fields_ = [augment.apply(EACH["noise"], grey + np.uint8(shift)).astype(int) - shift for shift in (0, 40)]
    np.testing.assert_array_equal(*fields_)


def _after(seed: int) -> np.random.Generator:
    rng = np.random.default_rng(seed)
    augment.draw(rng)
    return rng


def test_what_is_drawn_has_the_documented_chances_and_ranges() -> None:
    rng = np.random.default_rng(0)
    drawn = [augment.draw(rng) for _ in range(4000)]
    for change, chance in augment.CHANCES.items():
        share = np.mean([bool(getattr(recipe, change)) for recipe in drawn])
        assert share == pytest.approx(chance, abs=0.03), change
    assert np.bincount([recipe.turns for recipe in drawn]) / 4000 == pytest.approx([0.25] * 4, abs=0.03)
    values: list[tuple[str, Callable[[Any], float], tuple[float, float]]] = [
        ("resample", lambda x: x[0], augment.SCALE),
        ("blur", lambda x: x, augment.SIGMA),
        ("tone", lambda x: x[0], augment.BRIGHTNESS),
        ("tone", lambda x: x[1], augment.CONTRAST),
        ("tone", lambda x: x[2], augment.SATURATION),
        ("noise", lambda x: x[0], augment.NOISE),
        ("compress", lambda x: x[1], augment.QUALITY),
        ("cut_out", lambda x: x[0], augment.SIDE),
    ]
    for change, value, (low, high) in values:
        found = [value(getattr(recipe, change)) for recipe in drawn if getattr(recipe, change) is not None]
        slack = 0.05 * (high - low)
        assert low <= min(found) < low + slack and high - slack < max(found) <= high, change
    assert np.mean([recipe.resample[0] < 1 for recipe in drawn if recipe.resample]) == pytest.approx(0.5, abs=0.05)
    seeds = [recipe.noise[1] for recipe in drawn if recipe.noise]
    assert len(set(seeds)) == len(seeds)
    webp = [recipe.compress[0] == "webp" for recipe in drawn if recipe.compress]
    assert np.mean(webp) == pytest.approx(augment.WEBP, abs=0.03)
    assert {name for recipe in drawn if recipe.resample for name in recipe.resample[1:]} == {
        "nearest", "linear", "cubic", "area", "lanczos4",
    }  # fmt: skip


def test_a_recipe_names_every_chance() -> None:
    assert {field.name for field in fields(Recipe)} == augment.CHANCES.keys() | {"turns"}


@pytest.mark.parametrize("size", [(1, 1), (2, 7), (33, 17)])
def test_any_size_can_be_changed(size: tuple[int, int]) -> None:
    for seed in range(30):
        recipe = replace(augment.draw(np.random.default_rng(seed)), turns=0)
        assert augment.apply(recipe, picture(*size)).shape == (*size, 3)


# ---- degrade


@pytest.mark.parametrize("name", degrade.NAMES)
def test_each_degradation_is_a_pure_function(name: str) -> None:
    image = picture(40, 56)
    before = image.copy()
    change = degrade.by_name(name)
    first, second = change(image), change(image)
    assert first.shape == image.shape and first.dtype == np.uint8
    assert (first != before).any()
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(image, before)
    assert change(picture(1, 1)).shape == (1, 1, 3)


def test_degradations_are_those_of_the_libraries() -> None:
    image = picture(40, 56)
    bgr = np.ascontiguousarray(image[..., ::-1])
    by_hand = cv2.imdecode(cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 75])[1], cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(degrade.NAMES["jpeg_75"](image), by_hand)
    half = cv2.resize(image, (28, 20), interpolation=cv2.INTER_CUBIC)
    by_hand = cv2.resize(half, (56, 40), interpolation=cv2.INTER_CUBIC)
    np.testing.assert_array_equal(degrade.NAMES["half_double_bicubic"](image), by_hand)


def test_worse_is_farther() -> None:
    image = picture().astype(int)

    def error(name: str) -> float:
        return float(np.sqrt(((degrade.NAMES[name](image.astype(np.uint8)) - image) ** 2).mean()))

    assert error("jpeg_90") < error("jpeg_75") < error("jpeg_60")
    assert error("blur_1") < error("blur_2")
    flat = np.full((256, 256, 3), 128, np.uint8)
    assert (degrade.NAMES["noise_5"](flat) - 128.0).std() == pytest.approx(5, abs=0.1)


def test_tones_known_answers() -> None:
    image = np.array([[[0, 128, 255], [100, 100, 100]]], np.uint8)
    assert degrade.NAMES["brightness"](image).tolist() == [[[30, 158, 255], [130, 130, 130]]]
    assert degrade.NAMES["contrast"](image).tolist() == [[[0, 128, 255], [92, 92, 92]]]
    grey = 0.587 * 128 + 0.114 * 255
    assert degrade.NAMES["saturation"](image)[0, 0].tolist() == [round((grey + value) / 2) for value in (0, 128, 255)]
    assert degrade.NAMES["saturation"](image)[0, 1].tolist() == [100] * 3


def test_an_unknown_degradation_names_the_nearest() -> None:
    with pytest.raises(InputError, match=r"^unknown degradation 'jpeg_91': did you mean 'jpeg_90'\?$"):
        degrade.by_name("jpeg_91")
