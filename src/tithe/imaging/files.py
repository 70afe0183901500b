"""Image files opened, and the reasons why one can't be."""

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
from tithe.imaging.backends import pillow

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "GIF")
REASONS = {
    "missing": "there is no such file",
    "no_permission": "it may not be read",
    "empty_file": "the file is empty",
    "not_an_image": f"it is none of {', '.join(FORMATS)}",
    "truncated": "the file ends too early",
    "damaged": "the file can't be decoded",
    "too_large": "it has more pixels than are allowed",
    "unsupported_mode": "its kind of pixels can't be turned into 8-bit RGB",
}

# What Pillow's parsers raise on bytes that make no sense to them.
_GIVES_UP = (
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
# No fault of the file: to leave it out because of these would lose it.
_TROUBLE = {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ESTALE}
_warnings_are_global = threading.Lock()


class Unreadable(TitheError):
    """An image file whose pixels can't be had.

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
        """Return the file and the reason in words."""
        return f"{self.path or 'image'}: {REASONS.get(self.reason, self.reason)}"


@contextmanager
def opened(path: Path) -> Iterator[tuple[IO[bytes], Any]]:
    """Open a file and its image as Pillow sees it; what Pillow raises in the block becomes `Unreadable`.

    Errors of the system, such as a failing disk, are raised as they are.
    """
    reasons = {pillow().DecompressionBombError: "too_large"}
    try:
        with _file(path) as file, _image(file) as image:
            yield file, image
    except (Unreadable, *reasons, *_GIVES_UP) as error:
        cause = error.__cause__ or error
        if getattr(cause, "errno", None) in _TROUBLE:
            raise cause from None
        reason = error.reason if isinstance(error, Unreadable) else reasons.get(type(error), "damaged")
        raise Unreadable(reason, str(path)) from cause


def _file(path: Path) -> IO[bytes]:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would keep its reader waiting
            raise Unreadable("not_an_image")
        return path.open("rb")
    except PermissionError as error:
        raise Unreadable("no_permission") from error
    except (OSError, ValueError) as error:  # a name that no file can have is a ValueError
        raise Unreadable("missing") from error


def _image(file: IO[bytes]) -> Any:
    try:
        with quiet():
            return pillow().open(file, formats=FORMATS)
    except _GIVES_UP as error:
        raise Unreadable(_why_no_image(file)) from error


def _why_no_image(file: IO[bytes]) -> str:
    file.seek(0)
    beginning = file.read(16)
    if not integrity.begins_as_image(beginning):
        return "not_an_image" if beginning else "empty_file"
    return integrity.flaw(whole(file)) or "damaged"


def whole(file: IO[bytes]) -> bytes:
    """Return all bytes of a file that Pillow is reading."""
    at = file.tell()  # from where Pillow will go on
    file.seek(0)
    data = file.read()
    file.seek(at)
    return data


@contextmanager
def quiet() -> Iterator[None]:
    """Keep Pillow from warning of broken tags and large images: it is one thread at a time that may change this."""
    with _warnings_are_global, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
