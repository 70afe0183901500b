"""What an image file says of itself, without decoding a pixel."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tithe.arrays import Array
from tithe.imaging.backends import pillow
from tithe.imaging.files import opened, quiet

ORIENTATION = 0x0112  # the tag of Exif and of TIFF
_WIDTH, _HEIGHT = 0x0100, 0x0101  # of TIFF


class Header(NamedTuple):
    """What a file says of itself before any pixel is decoded.

    Attributes
    ----------
    format
        One of `FORMATS`.
    width, height
        Pixels as stored, before any orientation.
    mode
        Pillow's name of the kind of pixels, such as `RGB`, `L`, `P`, `CMYK`.
    bits
        Of one value.
    frames
        Pictures in the file; of an MPO, which is a JPEG, those behind the first too.
    has_alpha
        Whether a pixel may be transparent.
    orientation
        The tag of Exif or TIFF, 1 to 8; None where there is none.
    quality
        Of a JPEG, the quality 1 to 100 whose table of libjpeg is nearest to its own.
    has_exif
        Whether there are any such tags; a TIFF always has some.
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
    """Return what a file's header says; no pixel is decoded.

    Raises
    ------
    Unreadable
        There is no such file, or it is no image.
    """
    with opened(path) as (_, image), quiet():
        tags, (width, height) = _tags(image), size_of(image)
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


def format_of(image: Any) -> str:
    """Return one of `FORMATS`: what Pillow calls MPO is a JPEG with more behind it."""
    return "JPEG" if image.format == "MPO" else str(image.format)


def size_of(image: Any) -> tuple[int, int]:
    """Return width and height as stored: of a TIFF on its side Pillow tells them the other way round."""
    if image.format == "TIFF":
        return int(image.tag_v2[_WIDTH]), int(image.tag_v2[_HEIGHT])
    return int(image.width), int(image.height)


def bits_of(image: Any) -> int:
    """Return the bits of one value, 8 where there are fewer but in a picture of 1 bit."""
    if image.mode == "1":
        return 1
    if image.mode in ("I", "F"):
        return 32
    # Deep colours look like ordinary ones by their mode: only how they will be unpacked tells.
    deep = re.search(r";(12|16)", str(image.tile)) if image.format in ("PNG", "TIFF") else None
    return int(deep[1]) if deep else 8


def _tags(image: Any) -> Mapping[int, Any]:
    if image.format == "PNG" and "exif" not in image.info:
        return {}  # here Pillow would decode the pixels, to look for tags behind them
    tags: Mapping[int, Any] = image.getexif()
    return tags


def _quality(image: Any) -> int | None:
    table = getattr(image, "quantization", {}).get(0)
    if table is None:
        return None
    distance_Q = np.abs(np.log(_tables()) - np.log(np.maximum(table, 1))).sum(axis=1)
    return int(distance_Q.argmin()) + 1


@cache
def _tables() -> Array:
    """Return the quantization tables of luminance that libjpeg has for the qualities 1 to 100, shape (100, 64)."""
    tables = []
    for quality in range(1, 101):
        file = BytesIO()
        pillow().new("L", (8, 8)).save(file, "JPEG", quality=quality)
        tables.append(pillow().open(file, formats=("JPEG",)).quantization[0])
    return np.array(tables)
