"""Image files of every kind as bytes, whole and strange, and the reason why one can't be read."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from tithe.imaging import decode
from tithe.imaging.files import REASONS, Unreadable

Array = np.ndarray[Any, np.dtype[Any]]

Store = Callable[..., Path]

ORIENTATION = 0x0112


def picture(height: int = 48, width: int = 64, seed: int = 0) -> Array:
    """Return coarse random shapes and a little noise: what compresses like a photograph, but not to nothing."""
    rng = np.random.default_rng(seed)
    coarse = cv2.resize(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8), (width, height)).astype(int)
    return (coarse + rng.integers(-9, 10, coarse.shape)).clip(0, 255).astype(np.uint8)


def encoded(image: Image.Image | Array, format_: str, **options: Any) -> bytes:
    file = BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(file, format_, **options)
    return file.getvalue()


LOSSLESS: dict[str, dict[str, Any]] = {
    "png": {"format_": "PNG"},
    "webp": {"format_": "WEBP", "lossless": True},
    "bmp": {"format_": "BMP"},
    "tiff": {"format_": "TIFF"},
    "tiff-lzw": {"format_": "TIFF", "compression": "tiff_lzw"},
    "tiff-deflate": {"format_": "TIFF", "compression": "tiff_adobe_deflate"},
}
LOSSY: dict[str, dict[str, Any]] = {
    "jpeg": {"format_": "JPEG", "quality": 90},
    "jpeg-444": {"format_": "JPEG", "quality": 95, "subsampling": 0},
    "jpeg-progressive": {"format_": "JPEG", "quality": 80, "progressive": True},
    "jpeg-restarts": {"format_": "JPEG", "quality": 80, "restart_marker_rows": 1},
    "webp-lossy": {"format_": "WEBP", "quality": 80},
}


def reason(path: Path, **options: Any) -> str:
    with pytest.raises(Unreadable) as error:
        decode.read(path, **options)
    assert error.value.reason in REASONS
    assert str(error.value) == f"{path}: {REASONS[error.value.reason]}"
    return error.value.reason


CLEAR = {"transparency": b"\xff\x00\x80"}


def _painted(mode: str, colour: Any, palette: list[int] | None = None) -> Image.Image:
    image = Image.new(mode, (16, 16), colour)
    if palette:
        image.putpalette(palette)
    return image


PALETTE = [255, 0, 0, 0, 255, 0, 0, 0, 255]
# What is stored in every pixel, and what should be read from it.
COLOURS: dict[str, tuple[bytes, tuple[int, int, int]]] = {
    "1 bit, set": (encoded(_painted("1", 1), "PNG"), (255, 255, 255)),
    "1 bit, clear": (encoded(_painted("1", 0), "TIFF"), (0, 0, 0)),
    "grey": (encoded(_painted("L", 77), "PNG"), (77, 77, 77)),
    "grey jpeg": (encoded(_painted("L", 77), "JPEG", quality=100), (77, 77, 77)),
    "palette": (encoded(_painted("P", 1, PALETTE), "PNG"), (0, 255, 0)),
    "palette, bmp": (encoded(_painted("P", 1, PALETTE), "BMP"), (0, 255, 0)),
    "gif": (encoded(_painted("P", 2, PALETTE), "GIF"), (0, 0, 255)),
    "palette, opaque": (encoded(_painted("P", 0, PALETTE), "PNG", **CLEAR), (255, 0, 0)),
    "palette, hidden": (encoded(_painted("P", 1, PALETTE), "PNG", **CLEAR), (255, 255, 255)),
    "palette, half": (encoded(_painted("P", 2, PALETTE), "PNG", **CLEAR), (127, 127, 255)),
    "gif, hidden": (encoded(_painted("P", 2, PALETTE), "GIF", transparency=2), (255, 255, 255)),
    "rgb with a hidden colour": (encoded(_painted("RGB", (9, 8, 7)), "PNG", transparency=(9, 8, 7)), (255, 255, 255)),
    "grey with alpha": (encoded(_painted("LA", (0, 51)), "PNG"), (204, 204, 204)),
    "rgba, hidden": (encoded(_painted("RGBA", (9, 8, 7, 0)), "PNG"), (255, 255, 255)),
    "rgba, opaque": (encoded(_painted("RGBA", (9, 8, 7, 255)), "PNG"), (9, 8, 7)),
    "rgba, webp": (encoded(_painted("RGBA", (0, 100, 255, 51)), "WEBP", lossless=True), (204, 224, 255)),
    "rgba, tiff": (encoded(_painted("RGBA", (0, 100, 255, 51)), "TIFF"), (204, 224, 255)),
    "cmyk": (encoded(_painted("CMYK", (0, 255, 255, 0)), "JPEG", quality=100), (255, 0, 0)),
    "cmyk, tiff": (encoded(_painted("CMYK", (0, 255, 0, 128)), "TIFF"), (127, 0, 127)),
    # Adobe's marker with transform 2 makes YCCK of it: (179, 171, 1) is the YCbCr of full magenta and yellow, and
    # what is written is the inverse of what is given.
    "ycck": (
        encoded(_painted("CMYK", (255 - 179, 255 - 171, 255 - 1, 0)), "JPEG", quality=100).replace(
            b"Adobe\0d\0\0\0\0\0", b"Adobe\0d\0\0\0\0\2"
        ),
        (255, 0, 0),
    ),
}

DEEP = np.array([[0, 128, 129, 257, 385, 386, 1000, 32768, 65406, 65535]], np.uint16)


def png(width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]) -> bytes:
    """Return a PNG chunk by chunk, for what no library here writes."""
    chunks = [(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)), *extra]
    chunks += [(b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    parts = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def _turned_deep_tiff() -> bytes:
    """A TIFF of 16-bit colours whose ExtraSamples-free header gets the tag for a turn in place of its resolution."""
    data = bytearray(cv2.imencode(".tiff", np.repeat(DEEP[..., None], 3, axis=2))[1].tobytes())
    (at,) = struct.unpack_from("<I", data, 4)
    (count,) = struct.unpack_from("<H", data, at)
    tags = [bytes(data[at + 2 + 12 * i : at + 14 + 12 * i]) for i in range(count)]
    tags = [t for t in tags if struct.unpack_from("<H", t)[0] != ORIENTATION]
    tags = sorted([*tags, struct.pack("<HHIHH", ORIENTATION, 3, 1, 6, 0)], key=lambda t: struct.unpack_from("<H", t)[0])
    struct.pack_into("<I", data, 4, len(data))
    return bytes(data) + struct.pack("<H", len(tags)) + b"".join(tags) + bytes(4)


STRANGE = {
    "float": encoded(np.linspace(0, 1, 12, dtype=np.float32).reshape(3, 4), "TIFF"),
    "32-bit integers": encoded(np.arange(12, dtype=np.int32).reshape(3, 4), "TIFF"),
    "Lab": encoded(Image.new("LAB", (4, 4)), "TIFF"),
    "16-bit grey with a hidden value": png(1, 1, 16, 0, bytes([0, 3, 232]), (b"tRNS", struct.pack(">H", 1000))),
    "16 bits, turned": _turned_deep_tiff(),
}

CUT = {
    **{kind: encoded(picture(), **options) for kind, options in (LOSSLESS | LOSSY).items()},
    "jpeg-cmyk": encoded(Image.fromarray(picture()).convert("CMYK"), "JPEG"),
    "png-alpha": encoded(Image.fromarray(picture()).convert("RGBA"), "PNG"),
    "png-16": cv2.imencode(".png", picture().astype(np.uint16) * 257)[1].tobytes(),
    "tiff-16": cv2.imencode(".tiff", picture().astype(np.uint16) * 257)[1].tobytes(),
    "webp-alpha": encoded(Image.fromarray(picture()).convert("RGBA"), "WEBP", lossless=True),
}
