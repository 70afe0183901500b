"""OpenCV and Pillow, which the extra `image` brings: imported when the first image is touched."""

from __future__ import annotations

import threading
from functools import cache
from types import ModuleType

from tithe import plugins

_one_at_a_time = threading.Lock()


@cache
def opencv() -> ModuleType:
    """Return `cv2`, for the whole process on one thread and silent.

    Images are read by many workers at once, each of which wants one core, and OpenCV's own threads don't survive a
    fork. Its log would tell of broken files on stderr; they are counted and listed instead.

    Raises
    ------
    InputError
        It is not installed.
    """
    with _one_at_a_time:  # it replaces itself while it is imported, and another thread would see it half done
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
        It is not installed.
    """
    return plugins.require("PIL.Image", extra="image")
