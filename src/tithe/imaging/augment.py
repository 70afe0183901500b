"""Random augmentation of training crops, so that no class is recognised by how its files were processed.

The changes are drawn independently of the pixels, from one distribution for all classes. Images of one size with equal
generators get exactly the same changes, noise included: a real photograph and its fake twin differ in nothing else.
Compression comes after cropping, so its block grid begins at the corner of the crop, as in a file. Wang et al. 2020
(CNN-generated images are surprisingly easy to spot) found that blur and JPEG make a detector generalise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from tithe.imaging import Pixels, filters
from tithe.imaging.filters import Codec, Interpolation

# Probability of each change. Rotations by 0, 90, 180 and 270 degrees are equally likely, and so are interpolations.
CHANCES = {"flip": 0.5, "resample": 0.2, "blur": 0.2, "tone": 0.3, "noise": 0.2, "compress": 0.7, "cut_out": 0.1}
WEBP = 0.25  # share of compressed images; the rest is JPEG

SCALE = (0.5, 2.0)  # log-uniform; the image is resized back afterwards
SIGMA = (0.0, 3.0)  # of the blur, pixels
BRIGHTNESS = (-25.0, 25.0)  # levels of 0 to 255, as is the noise
CONTRAST = (0.75, 1.25)
SATURATION = (0.5, 1.5)
NOISE = (0.0, 10.0)  # standard deviation
QUALITY = (30, 100)
SIDE = (0.1, 0.4)  # of the cut-out square, as a share of the shorter side
GREY = 128  # fills the cut-out square


@dataclass(frozen=True)
class Recipe:
    """Changes to an image, in the order in which they are applied; None where one is skipped.

    Attributes
    ----------
    flip
        Whether to flip horizontally.
    turns
        Counterclockwise quarter turns.
    resample
        Factor, interpolation to that size, interpolation back.
    blur
        Sigma, pixels.
    tone
        Brightness, contrast, saturation.
    noise
        Standard deviation in levels, and the seed.
    compress
        Codec and quality.
    cut_out
        Side as a share of the shorter side; top and left as shares of the remaining height and width.
    """

    flip: bool = False
    turns: int = 0
    resample: tuple[float, Interpolation, Interpolation] | None = None
    blur: float | None = None
    tone: tuple[float, float, float] | None = None
    noise: tuple[float, int] | None = None
    compress: tuple[Codec, int] | None = None
    cut_out: tuple[float, float, float] | None = None


def augment(image_HW3: Pixels, rng: np.random.Generator) -> Pixels:
    """Return a randomly augmented image; a square one keeps its shape."""
    return apply(draw(rng), image_HW3)


def draw(rng: np.random.Generator) -> Recipe:
    """Draw changes with the probabilities and ranges of this module."""
    applies = {change: rng.random() < chance for change, chance in CHANCES.items()}
    kinds = get_args(Interpolation)
    interpolation, interpolation_back = (kinds[rng.integers(len(kinds))] for _ in range(2))
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    return Recipe(
        flip=applies["flip"],
        turns=int(rng.integers(4)),
        resample=(float(np.exp(rng.uniform(*np.log(SCALE)))), interpolation, interpolation_back)
        if applies["resample"]
        else None,
        blur=rng.uniform(*SIGMA) if applies["blur"] else None,
        tone=(rng.uniform(*BRIGHTNESS), rng.uniform(*CONTRAST), rng.uniform(*SATURATION)) if applies["tone"] else None,
        noise=(rng.uniform(*NOISE), int(rng.integers(2**32))) if applies["noise"] else None,
        compress=("webp" if rng.random() < WEBP else "jpeg", quality) if applies["compress"] else None,
        cut_out=(rng.uniform(*SIDE), rng.random(), rng.random()) if applies["cut_out"] else None,
    )


def apply(recipe: Recipe, image_HW3: Pixels) -> Pixels:
    """Return a changed copy of an image; the input is not modified."""
    if recipe.flip:
        image_HW3 = image_HW3[:, ::-1]
    image_HW3 = np.ascontiguousarray(np.rot90(image_HW3, recipe.turns))
    if recipe.resample:
        image_HW3 = filters.resampled(image_HW3, *recipe.resample)
    if recipe.blur:
        image_HW3 = filters.blurred(image_HW3, recipe.blur)
    if recipe.tone:
        image_HW3 = filters.color_jitter(image_HW3, *recipe.tone)
    if recipe.noise:
        image_HW3 = filters.noisy(image_HW3, *recipe.noise)
    if recipe.compress:
        image_HW3 = filters.recompressed(image_HW3, *recipe.compress)
    if recipe.cut_out:
        image_HW3 = _without_square(image_HW3, *recipe.cut_out)
    return image_HW3


def _without_square(image_HW3: Pixels, share: float, top: float, left: float) -> Pixels:
    """Return the image with a grey square (cutout, DeVries & Taylor 2017)."""
    height, width = image_HW3.shape[:2]
    side = round(share * min(height, width))
    y, x = round(top * (height - side)), round(left * (width - side))
    image_HW3 = image_HW3.copy()
    image_HW3[y : y + side, x : x + side] = GREY
    return image_HW3
