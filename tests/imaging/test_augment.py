"""Random changes for training: known answers, twins, and what is drawn how often."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest

from support.pictures import picture
from tithe.imaging import augment, filters
from tithe.imaging.augment import Recipe

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
        by_hand = filters.recompressed(augment.apply(EACH[earlier], image), "jpeg", 40)
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
