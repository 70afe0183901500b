"""Random changes of training pieces, so that no class is told by what has merely happened to a file.

The changes are drawn before a pixel is seen and from one distribution for all classes. Images of one size under equal
generators undergo exactly the same, noise included: a real photograph and its fake twin differ in nothing else.
Compression comes after the cut, so that its grid begins at the piece's corner, as it does in a file. Wang et al. 2020
(CNN-generated images are surprisingly easy to spot) found blur and JPEG to be what makes a detector general.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from tithe.imaging import Pixels, filters
from tithe.imaging.filters import Codec, Interpolation

# How often each change happens. Turns by 0, 90, 180 and 270 degrees are equally likely, and so are interpolations.
CHANCES = {"flip": 0.5, "resample": 0.2, "blur": 0.2, "tone": 0.3, "noise": 0.2, "compress": 0.7, "cut_out": 0.1}
WEBP = 0.25  # of what is compressed; the rest is JPEG

SCALE = (0.5, 2.0)  # there and back again, even in the logarithm
SIGMA = (0.0, 3.0)  # of the blur, pixels
BRIGHTNESS = (-25.0, 25.0)  # levels of 0 to 255, as is the noise
CONTRAST = (0.75, 1.25)
SATURATION = (0.5, 1.5)
NOISE = (0.0, 10.0)  # standard deviation
QUALITY = (30, 100)
SIDE = (0.1, 0.4)  # of the square cut out, a share of the shorter side
GREY = 128  # what it is filled with


@dataclass(frozen=True)
class Recipe:
    """Changes to an image, in the order in which they are made; None where one is left out.

    Attributes
    ----------
    flip
        Whether left and right change places.
    turns
        Quarter turns against the clock.
    resample
        Factor, interpolation there, interpolation back.
    blur
        Sigma, pixels.
    tone
        Brightness, contrast, saturation.
    noise
        Standard deviation in levels, and the seed.
    compress
        Codec and quality.
    cut_out
        Side as a share of the shorter side; top and left as shares of the room that is left.
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
    """Return the image changed at random; a square one keeps its shape."""
    return apply(draw(rng), image_HW3)


def draw(rng: np.random.Generator) -> Recipe:
    """Draw changes, with the chances and ranges of this module."""
    does = {change: rng.random() < chance for change, chance in CHANCES.items()}
    kinds = get_args(Interpolation)
    there, back = (kinds[rng.integers(len(kinds))] for _ in range(2))
    quality = int(rng.integers(QUALITY[0], QUALITY[1] + 1))
    return Recipe(
        flip=does["flip"],
        turns=int(rng.integers(4)),
        resample=(float(np.exp(rng.uniform(*np.log(SCALE)))), there, back) if does["resample"] else None,
        blur=rng.uniform(*SIGMA) if does["blur"] else None,
        tone=(rng.uniform(*BRIGHTNESS), rng.uniform(*CONTRAST), rng.uniform(*SATURATION)) if does["tone"] else None,
        noise=(rng.uniform(*NOISE), int(rng.integers(2**32))) if does["noise"] else None,
        compress=("webp" if rng.random() < WEBP else "jpeg", quality) if does["compress"] else None,
        cut_out=(rng.uniform(*SIDE), rng.random(), rng.random()) if does["cut_out"] else None,
    )


def apply(recipe: Recipe, image_HW3: Pixels) -> Pixels:
    """Return the image changed by a recipe; the given one is left as it is."""
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
    """Return the image with a square of grey (DeVries & Taylor 2017)."""
    height, width = image_HW3.shape[:2]
    side = round(share * min(height, width))
    y, x = round(top * (height - side)), round(left * (width - side))
    image_HW3 = image_HW3.copy()
    image_HW3[y : y + side, x : x + side] = GREY
    return image_HW3
