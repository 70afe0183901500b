"""Named degradations that do not change whether an image is real: a detector's verdict should survive them.

Each is a pure function of the image and keeps its shape. The robustness report applies them to both classes, and to
real photographs alone.
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
    "half_double_bicubic": partial(resampled, factor=0.5, interpolation="cubic", interpolation_back="cubic"),
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
        The name is unknown.
    """
    if name not in NAMES:
        raise InputError(f"unknown degradation '{name}'{did_you_mean(name, NAMES)}")
    return NAMES[name]
