"""Pure image filters: compression, blur, resampling, color jitter, noise.

Images are uint8, shape (H, W, 3), RGB; each function returns a new one of the same shape. Compression is by libjpeg and
libwebp, which write most files: other implementations leave other traces.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from tithe.arrays import Array
from tithe.imaging import Pixels
from tithe.imaging.backends import opencv

Codec = Literal["jpeg", "webp"]
Interpolation = Literal["nearest", "linear", "cubic", "area", "lanczos4"]

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # ITU-R BT.601


def recompressed(image_HW3: Pixels, codec: Codec, quality: int) -> Pixels:
    """Compress and decode; quality 1 to 100; JPEG with 4:2:0 chroma subsampling."""
    cv2 = opencv()
    flag = {"jpeg": cv2.IMWRITE_JPEG_QUALITY, "webp": cv2.IMWRITE_WEBP_QUALITY}[codec]
    _, data = cv2.imencode(f".{codec}", cv2.cvtColor(image_HW3, cv2.COLOR_RGB2BGR), [flag, quality])
    decoded_HW3: Pixels = cv2.imdecode(data, cv2.IMREAD_COLOR_RGB)
    return decoded_HW3


def blurred(image_HW3: Pixels, sigma: float) -> Pixels:
    """Apply a Gaussian blur; sigma in pixels, above 0."""
    blurred_HW3: Pixels = opencv().GaussianBlur(image_HW3, (0, 0), sigma)
    return blurred_HW3


def bilateral(image_HW3: Pixels, diameter: int, levels: float, sigma: float) -> Pixels:
    """Smooth while keeping edges, by a bilateral filter (Tomasi & Manduchi 1998), as cameras and beauty filters do.

    Parameters
    ----------
    diameter
        Of the neighbourhood, pixels.
    levels, sigma
        Standard deviations: of the difference in value, 0 to 255, and of the distance, pixels.
    """
    smoothed_HW3: Pixels = opencv().bilateralFilter(image_HW3, diameter, levels, sigma)
    return smoothed_HW3


def resampled(
    image_HW3: Pixels, factor: float, interpolation: Interpolation, interpolation_back: Interpolation
) -> Pixels:
    """Resize by a factor and back again."""
    cv2, (height, width) = opencv(), image_HW3.shape[:2]
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    between = cv2.resize(image_HW3, size, interpolation=getattr(cv2, f"INTER_{interpolation.upper()}"))
    resized_HW3: Pixels = cv2.resize(
        between, (width, height), interpolation=getattr(cv2, f"INTER_{interpolation_back.upper()}")
    )
    return resized_HW3


def resized(image_HW3: Pixels, factor: float) -> Pixels:
    """Resize by a factor, as a web site does."""
    height, width = (max(1, round(side * factor)) for side in image_HW3.shape[:2])
    smaller_HW3: Pixels = opencv().resize(image_HW3, (width, height), interpolation=opencv().INTER_AREA)
    return smaller_HW3


def color_jitter(image_HW3: Pixels, brightness: float = 0.0, contrast: float = 1.0, saturation: float = 1.0) -> Pixels:
    """Scale saturation (distance to grey) and contrast (distance to 127.5), then add brightness in levels."""
    grey_HW1 = (image_HW3 @ _LUMA)[..., None]
    values_HW3: Array = grey_HW1 + (image_HW3 - grey_HW1) * saturation
    return _levels((values_HW3 - 127.5) * contrast + 127.5 + brightness)


def noisy(image_HW3: Pixels, deviation: float, seed: int) -> Pixels:
    """Add Gaussian noise of a standard deviation in levels; equal seeds give images of one size the same noise."""
    noise_HW3 = np.random.default_rng(seed).standard_normal(image_HW3.shape, dtype=np.float32)
    return _levels(image_HW3 + deviation * noise_HW3)


def _levels(values_HW3: Array) -> Pixels:
    levels_HW3: Pixels = np.rint(values_HW3).clip(0, 255).astype(np.uint8)
    return levels_HW3
