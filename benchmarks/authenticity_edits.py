"""Edits of a photograph: three that make it a fake, and two kinds of processing that do not."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from authenticity_photos import SIDE, Image

_QUALITY = (60, 90)  # of the first of two JPEGs


def _ellipse(rng: np.random.Generator, smallest: int, largest: int) -> Image:
    """Return a filled ellipse with half axes in a range of pixels, 255 inside, shape (SIDE, SIDE)."""
    axes = rng.integers(smallest, largest + 1, size=2)
    centre = [int(rng.integers(axes.max(), SIDE - axes.max())) for _ in range(2)]
    mask = np.zeros((SIDE, SIDE), np.uint8)
    return cv2.ellipse(mask, centre, axes.tolist(), float(rng.uniform(0, 180)), 0, 360, 255, cv2.FILLED)


def _pasted(image: Image, over: Image, mask: Image) -> Image:
    """Paste one image over another inside a mask, with a soft edge of about two pixels."""
    share_HW1 = cv2.GaussianBlur(mask, (0, 0), 1.0)[..., None] / 255
    return np.rint(image + share_HW1 * (over.astype(np.float64) - image)).astype(np.uint8)


def splice(image: Image, donor: Image, rng: np.random.Generator) -> Image:
    """Paste a piece of another photograph, at the same position."""
    return _pasted(image, donor, _ellipse(rng, 40, 72))


def copy_move(image: Image, donor: Image, rng: np.random.Generator) -> Image:
    """Copy a piece of the image to another position; pixels shifted out on one side wrap around to the other."""
    shift = [int(rng.choice([-1, 1]) * rng.integers(64, 129)) for _ in range(2)]
    return _pasted(image, np.roll(image, shift, axis=(0, 1)), _ellipse(rng, 32, 56))


def inpainting(image: Image, donor: Image, rng: np.random.Generator) -> Image:
    """Fill a hole from its border (Telea 2004)."""
    return cv2.inpaint(image, _ellipse(rng, 24, 48), 3, cv2.INPAINT_TELEA)


def upscale(image: Image, donor: Image, rng: np.random.Generator) -> Image:
    """Halve the image and double it again, bicubic."""
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(half, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def double_jpeg(image: Image, donor: Image, rng: np.random.Generator) -> Image:
    """Compress once; the data set's own codec compresses the second time."""
    quality = int(rng.integers(_QUALITY[0], _QUALITY[1] + 1))
    content = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_COLOR))


# Name: a function of an image and a donor image, the label, the family.
KINDS: dict[str, tuple[Callable[[Image, Image, np.random.Generator], Image], str, str]] = {
    "splice": (splice, "fake", "edited"),
    "copy_move": (copy_move, "fake", "edited"),
    "inpainting": (inpainting, "fake", "edited"),
    "upscale": (upscale, "real", "processed"),
    "double_jpeg": (double_jpeg, "real", "processed"),
}
