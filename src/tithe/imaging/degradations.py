"""Named degradations that do not change whether an image is real: a detector's verdict should survive them.

Each is a pure function of the image. The robustness report applies them to both classes, and to real photographs alone.
Those of `WHOLE` change the size of a picture, as pages and messengers do, and come before it is cropped. The others
keep its shape and come after, so that their grids begin at the corner of the crop, as in a file.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from tithe.errors import InputError, did_you_mean
from tithe.imaging import Pixels, crops
from tithe.imaging.backends import opencv
from tithe.imaging.filters import bilateral, blurred, color_jitter, noisy, recompressed, resampled, resized

Degradation = Callable[[Pixels], Pixels]


def _resized(image_HW3: Pixels, factor: float) -> Pixels:
    """Return the image in another size, as browsers and messengers make it: averaged when smaller, else bicubic."""
    cv2 = opencv()
    height, width = image_HW3.shape[:2]
    size = max(1, round(width * factor)), max(1, round(height * factor))
    how = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    other_HW3: Pixels = cv2.resize(image_HW3, size, interpolation=how)
    return other_HW3


def _screenshot(image_HW3: Pixels) -> Pixels:
    """Return the image as a picture of a screen that shows it at four fifths, sent on as JPEG."""
    return recompressed(_resized(image_HW3, 0.8), codec="jpeg", quality=85)


WHOLE: dict[str, Degradation] = {
    **{f"resize_{factor:g}": partial(_resized, factor=factor) for factor in (0.5, 0.75, 1.5, 2.0)},
    "screenshot": _screenshot,
}
NAMES: dict[str, Degradation] = {
    "jpeg_95": partial(recompressed, codec="jpeg", quality=95),
    "jpeg_90": partial(recompressed, codec="jpeg", quality=90),
    "jpeg_75": partial(recompressed, codec="jpeg", quality=75),
    "jpeg_60": partial(recompressed, codec="jpeg", quality=60),
    "webp_80": partial(recompressed, codec="webp", quality=80),
    "blur_1": partial(blurred, sigma=1.0),
    "blur_2": partial(blurred, sigma=2.0),
    "noise_5": partial(noisy, deviation=5.0, seed=0),
    "half_double_bicubic": partial(resampled, factor=0.5, interpolation="cubic", interpolation_back="cubic"),
    "bilateral": partial(bilateral, diameter=9, levels=40.0, sigma=3.0),
    "brightness": partial(color_jitter, brightness=30.0),
    "contrast": partial(color_jitter, contrast=1.3),
    "saturation": partial(color_jitter, saturation=0.5),
    **WHOLE,
}

# Processing that every picture on its way through the web goes through. A resized one has another shape.
HARMLESS: dict[str, Degradation] = {
    "jpeg_90": NAMES["jpeg_90"],
    "resized_90": partial(resized, factor=0.9),
}


def by_name(name: str) -> Degradation:
    """Return one of `NAMES`.

    Raises
    ------
    InputError
        The name is unknown.
    """
    if name not in NAMES:
        raise InputError(f"unknown degradation '{name}'{did_you_mean(name, NAMES)}")
    return NAMES[name]


def even_crops(image_HW3: Pixels, size: int, count: int, change: str | None) -> Pixels:
    """Return evenly spaced crops of a degraded image, shape (count, size, size, 3); see `crops.even`."""
    if change is None:
        return crops.even(image_HW3, size, count)
    degrade = by_name(change)
    if change in WHOLE:
        return crops.even(degrade(image_HW3), size, count)
    return np.stack([degrade(piece_HW3) for piece_HW3 in crops.even(image_HW3, size, count)])
