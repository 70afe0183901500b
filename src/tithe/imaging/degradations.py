"""Named changes that say nothing of how an image was made: a detector should give the same verdict after them.

Each is a pure function of the image and keeps its shape. They serve the table of real photographs that were merely
processed, and the sweep of both classes.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tithe.errors import InputError, did_you_mean
from tithe.imaging import Pixels
from tithe.imaging.filters import bilateral, blurred, color_jitter, noisy, recompressed, resampled

Degradation = Callable[[Pixels], Pixels]

NAMES: dict[str, Degradation] = {
    "jpeg_90": partial(recompressed, codec="jpeg", quality=90),
    "jpeg_75": partial(recompressed, codec="jpeg", quality=75),
    "jpeg_60": partial(recompressed, codec="jpeg", quality=60),
    "webp_80": partial(recompressed, codec="webp", quality=80),
    "blur_1": partial(blurred, sigma=1.0),
    "blur_2": partial(blurred, sigma=2.0),
    "noise_5": partial(noisy, deviation=5.0, seed=0),
    "half_double_bicubic": partial(resampled, factor=0.5, there="cubic", back="cubic"),
    "bilateral": partial(bilateral, diameter=9, levels=40.0, sigma=3.0),
    "brightness": partial(color_jitter, brightness=30.0),
    "contrast": partial(color_jitter, contrast=1.3),
    "saturation": partial(color_jitter, saturation=0.5),
}


def by_name(name: str) -> Degradation:
    """Return one of `NAMES`.

    Raises
    ------
    InputError
        There is none of that name.
    """
    if name not in NAMES:
        raise InputError(f"unknown degradation '{name}'{did_you_mean(name, NAMES)}")
    return NAMES[name]
