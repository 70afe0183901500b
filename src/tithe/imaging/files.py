"""Open image files, and the reasons why one cannot be read."""

from __future__ import annotations

import errno
import stat
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tithe.errors import TitheError
from tithe.imaging import integrity
from tithe.imaging.backends import pillow, readable_formats

# Those after GIF need a decoder that not every installation has.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF", "AVIF", "JPEG2000", "HEIF")
REASONS = {
    "missing": "the file does not exist",
    "no_permission": "no permission to read the file",
    "empty_file": "the file is empty",
    "not_an_image": "the file is not an image",
    "unsupported_format": f"an image in a format that is not one of {', '.join(FORMATS)}, or whose decoder is missing "
    "(HEIC needs the package pillow-heif)",
    "truncated": "the file ends too early",
    "damaged": "the file cannot be decoded",
    "too_large": "the image has more pixels than --max-pixels or images.max_pixels allows",
    "too_small": "a side of the image has fewer than 8 pixels",
    "unsupported_mode": "the pixel format cannot be converted to 8-bit RGB",
}

# What Pillow's parsers raise on malformed bytes.
_PARSE_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    RuntimeError,
    struct.error,
    zlib.error,
)
# System errors, not faults of the file: never drop a file because of one.
_SYSTEM_ERRORS = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
_warnings_are_global = threading.Lock()


class Unreadable(TitheError):
    """An image file that cannot be decoded.

    Parameters
    ----------
    reason
        One of `REASONS`.
    path
        The file, for the message.
    """

    def __init__(self, reason: str, path: str = "") -> None:
        super().__init__(reason, path)
        self.reason = reason
        self.path = path

    def __str__(self) -> str:
        """Return the file and the reason as text."""
        return f"{self.path or 'image'}: {REASONS.get(self.reason, self.reason)}"


@contextmanager
def open_image(path: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a file and its Pillow image; what Pillow raises in the block becomes `Unreadable`.

    System errors, such as a failing disk, are raised unchanged.
    """
    reasons = {pillow().DecompressionBombError: "too_large"}
    try:
        with _file(path) as file, _image(file) as image:
            yield file, image
    except (Unreadable, *reasons, *_PARSE_ERRORS) as error:
        cause = error.__cause__ or error
        if getattr(cause, "errno", None) in _SYSTEM_ERRORS:
            raise cause from None
        reason = error.reason if isinstance(error, Unreadable) else reasons.get(type(error), "damaged")
        raise Unreadable(reason, str(path)) from cause


def _file(path: Path) -> IO[bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # reading a pipe would block
            raise Unreadable("not_an_image")
        return path.open("rb")
    except PermissionError as error:
        raise Unreadable("no_permission") from error
    except (OSError, ValueError) as error:  # an impossible file name is a ValueError
        raise Unreadable("missing") from error


def _image(file: IO[bytes]) -> Any:
    try:
        with quiet():
            return pillow().open(file, formats=readable_formats(FORMATS))
    except _PARSE_ERRORS as error:
        raise Unreadable(_why_not_opened(file)) from error


def _why_not_opened(file: IO[bytes]) -> str:
    file.seek(0)
    head = file.read(32)
    if not head:
        return "empty_file"
    format_ = integrity.format_of(head)
    if format_ is None:
        return "not_an_image"
    if format_ not in readable_formats(FORMATS):
        return "unsupported_format"
    return integrity.flaw(read_all(file)) or "damaged"


def read_all(file: IO[bytes]) -> bytes:
    """Return all bytes of a file that Pillow is reading; its position is restored."""
    at = file.tell()
    file.seek(0)
    data = file.read()
    file.seek(at)
    return data


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Pillow's warnings about broken tags and large images; filters are global, so one thread at a time."""
    with _warnings_are_global, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
