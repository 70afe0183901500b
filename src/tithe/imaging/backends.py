"""OpenCV and Pillow from the extra `image`, imported when the first image is used."""

from __future__ import annotations

import importlib.util
import threading
from functools import cache
from types import ModuleType

from tithe import plugins

_import_lock = threading.Lock()


@cache
def opencv() -> ModuleType:
    """Return `cv2`, set to one thread and no log output for the whole process.

    Many workers read images at once, one core each, and OpenCV's own threads don't survive a fork. Its log would report
    broken files on stderr; tithe counts and lists them instead.

    Raises
    ------
    InputError
        OpenCV is not installed.
    """
    with _import_lock:  # cv2 replaces itself during import: another thread could see it half initialised
        cv2 = plugins.require("cv2", extra="image")
    cv2.setNumThreads(0)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    return cv2


@cache
def pillow() -> ModuleType:
    """Return `PIL.Image`.

    Raises
    ------
    InputError
        Pillow is not installed.
    """
    return plugins.require("PIL.Image", extra="image")


@cache
def readable_formats(formats: tuple[str, ...]) -> tuple[str, ...]:
    """Return which of some formats, by Pillow's names, can be decoded here."""
    has = plugins.require("PIL.features", extra="image").get_supported()
    missing = {name for name, codec in (("AVIF", "avif"), ("JPEG2000", "jpg_2000")) if codec not in has}
    if importlib.util.find_spec("pillow_heif"):
        plugins.require("pillow_heif", extra="image").register_heif_opener()
    else:
        missing.add("HEIF")
    return tuple(name for name in formats if name not in missing)
