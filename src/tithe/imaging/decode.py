"""Decode image files to pixels as stored, or report the reason why one cannot be decoded.

The format is detected from the content, never from the name. Orientation tags are ignored: rotation is an augmentation,
and the grid on which an image was sampled and compressed is evidence. Nothing is scaled while decoding.

| stored | read as |
|---|---|
| grey, 1-bit, palette | three channels |
| 16 bits a value (PNG, TIFF) | value / 257, rounded |
| partly transparent | composited over white: hidden colours are not part of the picture |
| CMYK, YCCK | RGB by Pillow, ignoring colour profiles |
| several frames | the first |
| float, 32-bit integer, Lab | refused: the value range is unknown |

AVIF and JPEG 2000 are read where Pillow has their decoders, HEIC where the package pillow-heif is installed; of deep
colors these decoders give 8 bits. OpenCV decodes the formats that it decodes faithfully, Pillow the rest. A JPEG that
lost bytes in the middle but has its end marker cannot be distinguished from an intact one.
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np

from tithe import plugins
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.imaging import Pixels, integrity
from tithe.imaging.backends import opencv
from tithe.imaging.files import REASONS, Unreadable, open_image, quiet, read_all
from tithe.imaging.headers import ORIENTATION, Header, bits_of, format_of, header, size_of

__all__ = ["REASONS", "Header", "Unreadable", "header", "read"]

SMALLEST = 8  # pixels of a side: a smaller image has too few traces of how it was made

_MODES = {"1", "L", "LA", "La", "P", "PA", "RGB", "RGBA", "RGBa", "RGBX", "CMYK", "YCbCr"}
_DEEP_MODES = {"I;16", "I;16B", "I;16L", "RGB", "RGBA"}


def read(path: Path, max_pixels: int = 64_000_000) -> Pixels:
    """Return the pixels of an image file as stored, uint8, shape (H, W, 3), RGB.

    Parameters
    ----------
    max_pixels
        Width × height, checked before decoding; Pillow itself refuses more than twice `PIL.Image.MAX_IMAGE_PIXELS`.

    Raises
    ------
    Unreadable
        For one of `REASONS`.
    """
    with open_image(path) as (file, image):
        width, height = size_of(image)
        if width * height > max_pixels:
            raise Unreadable("too_large")
        data = read_all(file)
        if flaw := integrity.flaw(data):
            raise Unreadable(flaw)
        pixels_HW3 = _pixels(image, data)
        if pixels_HW3.shape != (height, width, 3) or not pixels_HW3.size:
            raise Unreadable("damaged")
        return pixels_HW3


def read_usable(path: Path, max_pixels: int) -> Pixels:
    """Return the pixels of an image file that a detector can judge; see `read`.

    Raises
    ------
    Unreadable
        As `read`, or a side has fewer than `SMALLEST` pixels.
    """
    pixels_HW3 = read(path, max_pixels)
    if min(pixels_HW3.shape[:2]) < SMALLEST:
        raise Unreadable("too_small", str(path))
    return pixels_HW3


def _pixels(image: Any, data: bytes) -> Pixels:
    bits = bits_of(image)
    if bits == 16 and image.mode in _DEEP_MODES:
        return _deep(image, data)
    if bits > 8 or image.mode not in _MODES:
        raise Unreadable("unsupported_mode")
    return _by_opencv(data) if _is_plain(image) else _by_pillow(image)


def _is_plain(image: Any) -> bool:
    """Return whether OpenCV and Pillow decode it alike; of an MPO both take the first picture."""
    if image.mode not in ("L", "RGB") or image.has_transparency_data:
        return False
    return format_of(image) == "JPEG" or (image.format in ("PNG", "WEBP") and not image.is_animated)


def _by_opencv(data: bytes) -> Pixels:
    cv2 = opencv()
    flags = cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION
    pixels_HW3: Pixels | None = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels_HW3 is None:
        raise Unreadable("damaged")
    return pixels_HW3


def _by_pillow(image: Any) -> Pixels:
    _load(image)
    if image.has_transparency_data:
        return _over_white(np.asarray(image.convert("RGBA")), 255).astype(np.uint8)
    return np.array(image.convert("RGB"))


def _load(image: Any) -> None:
    """Decode as stored; a truncated file raises. Refuses to run where Pillow is set to accept truncated files."""
    if plugins.require("PIL.ImageFile", extra="image").LOAD_TRUNCATED_IMAGES:
        raise InputError("PIL.ImageFile.LOAD_TRUNCATED_IMAGES is set, which accepts broken images: set it to False")
    is_tiff = image.format == "TIFF"
    with quiet() if is_tiff else nullcontext():  # reading TIFF tags may warn
        if is_tiff:
            image.getexif().pop(ORIENTATION, None)  # Pillow rotates TIFFs, and only them
        image.load()


def _deep(image: Any, data: bytes) -> Pixels:
    """Return 16-bit values rounded to 8 bits. Pillow only checks that the file is complete: it drops the low byte."""
    if image.format == "TIFF" and image.tag_v2.get(ORIENTATION, 1) != 1:
        raise Unreadable("unsupported_mode")  # OpenCV rotates these even with IMREAD_IGNORE_ORIENTATION
    if image.mode.startswith("I") and image.has_transparency_data:
        raise Unreadable("unsupported_mode")  # OpenCV ignores their transparency
    _load(image)
    cv2 = opencv()
    values_HWC = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if values_HWC is None or values_HWC.dtype != np.uint16:
        raise Unreadable("unsupported_mode")
    if values_HWC.ndim == 2:
        values_HWC = cv2.cvtColor(values_HWC, cv2.COLOR_GRAY2RGB)
    elif values_HWC.shape[2] == 3:
        values_HWC = cv2.cvtColor(values_HWC, cv2.COLOR_BGR2RGB)
    else:
        values_HWC = _over_white(cv2.cvtColor(values_HWC, cv2.COLOR_BGRA2RGBA), 65535)
    eight_HW3: Pixels = ((values_HWC.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return eight_HW3


def _over_white(rgba_HW4: Array, peak: int) -> Array:
    """Return the image composited over white, shape (H, W, 3), rounded, with values 0 to peak."""
    values_HW4 = rgba_HW4.astype(np.min_scalar_type(peak * peak + peak // 2))
    alpha_HW1 = values_HW4[..., 3:]
    over_HW3: Array = (values_HW4[..., :3] * alpha_HW1 + peak * (peak - alpha_HW1) + peak // 2) // peak
    return over_HW3
