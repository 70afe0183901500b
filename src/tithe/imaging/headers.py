"""Image metadata, read without decoding pixels."""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.imaging import Pixels
from tithe.imaging.backends import pillow
from tithe.imaging.files import open_image, quiet

ORIENTATION = 0x0112  # tag number in Exif and TIFF
_WIDTH, _HEIGHT = 0x0100, 0x0101  # TIFF tag numbers


class Header(NamedTuple):
    """Metadata of an image file.

    Attributes
    ----------
    format
        One of `FORMATS`.
    width, height
        Pixels as stored, before orientation is applied.
    mode
        Pillow's name of the pixel format, such as `RGB`, `L`, `P`, `CMYK`.
    bits
        Bits per value.
    frames
        Pictures in the file; for an MPO (a JPEG with several), all of them.
    has_alpha
        Whether pixels can be transparent.
    orientation
        The Exif or TIFF orientation tag, 1 to 8; None if absent.
    quality
        For a JPEG, the quality, 1 to 100, whose libjpeg quantization table is nearest to its own; else None.
    has_exif
        Whether there are Exif tags; a TIFF always has some.
    """

    format: str
    width: int
    height: int
    mode: str
    bits: int
    frames: int
    has_alpha: bool
    orientation: int | None
    quality: int | None
    has_exif: bool


def header(path: Path) -> Header:
    """Read the metadata of an image file.

    Raises
    ------
    Unreadable
        The file does not exist or is not an image.
    """
    with open_image(path) as (_, image), quiet():
        tags, (width, height) = tags_of(image), size_of(image)
        orientation: Any = tags.get(ORIENTATION)
        return Header(
            format=format_of(image),
            width=width,
            height=height,
            mode=image.mode,
            bits=bits_of(image),
            frames=getattr(image, "n_frames", 1),
            has_alpha=image.has_transparency_data,
            orientation=int(orientation) if orientation in range(1, 9) else None,
            quality=_quality(image),
            has_exif=len(tags) > 0,
        )


def upright(pixels_HW3: Pixels, orientation: int | None) -> Pixels:
    """Return an image as people should see it, for an orientation of Exif; for display only."""
    if orientation is None or orientation == 1:
        return pixels_HW3
    # Quarter turns clockwise, after a flip of left and right where there is one.
    flips, turns = {2: (1, 0), 3: (0, 2), 4: (1, 2), 5: (1, 3), 6: (0, 1), 7: (1, 1), 8: (0, 3)}[orientation]
    shown_HW3 = np.rot90(pixels_HW3[:, ::-1] if flips else pixels_HW3, -turns)
    return np.ascontiguousarray(shown_HW3)


def format_of(image: Any) -> str:
    """Return one of `FORMATS`: Pillow's MPO is a JPEG with further pictures."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def size_of(image: Any) -> tuple[int, int]:
    """Return width and height as stored; Pillow swaps them for a rotated TIFF."""
    if image.format == "TIFF":
        return int(image.tag_v2[_WIDTH]), int(image.tag_v2[_HEIGHT])
    return int(image.width), int(image.height)


def bits_of(image: Any) -> int:
    """Return the bits per value; 2 and 4 bits count as 8."""
    if image.mode == "1":
        return 1
    if image.mode in ("I", "F"):
        return 32
    # The mode does not distinguish deep colours from 8-bit ones: only the raw mode in `tile` does.
    deep = re.search(r";(12|16)", str(image.tile)) if image.format in ("PNG", "TIFF") else None
    return int(deep[1]) if deep else 8


def tags_of(image: Any) -> Mapping[int, Any]:
    """Return the tags of Exif or TIFF; none where they are malformed, which pixels do not depend on."""
    if image.format == "PNG" and "exif" not in image.info:
        return {}  # Pillow would decode all pixels to look for tags after them
    try:
        tags: Mapping[int, Any] = image.getexif()
    except (SyntaxError, ValueError, TypeError, LookupError, struct.error):  # of a JPEG, Pillow itself ignores them
        return {}
    return tags


def _quality(image: Any) -> int | None:
    table = getattr(image, "quantization", {}).get(0)
    if table is None:
        return None
    distance_Q = np.abs(np.log(_tables()) - np.log(np.maximum(table, 1))).sum(axis=1)
    return int(distance_Q.argmin()) + 1


@cache
def _tables() -> Array:
    """Return libjpeg's luminance quantization tables for the qualities 1 to 100, shape (100, 64)."""
    tables = []
    for quality in range(1, 101):
        file = BytesIO()
        pillow().new("L", (8, 8)).save(file, "JPEG", quality=quality)
        tables.append(pillow().open(file, formats=("JPEG",)).quantization[0])
    return np.array(tables)
