"""Every file is read whole, once: what was found is kept, so that a later start reads only what is new."""

from __future__ import annotations

import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tithe import storage
from tithe.errors import TitheError
from tithe.imaging import decode, headers
from tithe.imaging import phash as imaging_phash
from tithe.imaging.files import Unreadable
from tithe.progress import bar
from tithe.storage import cache

# Part of every key: raise it when the same file would be judged otherwise.
VERSION = 1
SMALLEST = 8  # pixels of a side: in less there is nothing to see of how an image was made

_THREADS = 8  # each holds an image, which may have as many pixels as are allowed
_AT_ONCE = 256


class Stamp(NamedTuple):
    """What changes when a file does, without opening it."""

    size: int
    mtime_ns: int


class Whole(NamedTuple):
    """What one reading of a whole image has found.

    Attributes
    ----------
    sha256
        Of the file, in hex.
    phash
        Its perceptual hash.
    header
        What its header says.
    """

    sha256: str
    phash: int
    header: headers.Header


File = tuple[str, Stamp | None]  # its path and its stamp
Found = dict[File, Whole | str]


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None where there is none, or one that may not be read."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns) if os.access(path, os.R_OK) else None


def check(path: Path, max_pixels: int) -> Whole | str:
    """Read a file to its end; return what was found, or why it can't be used: a reason of `decode`, or `too_small`.

    Raises
    ------
    TitheError
        The disk fails, which is no fault of the file.
    """
    try:
        pixels_HW3 = decode.read(path, max_pixels)
        if min(pixels_HW3.shape[:2]) < SMALLEST:
            return "too_small"
        return Whole(storage.sha256_file(path), imaging_phash.phash(pixels_HW3), headers.header(path))
    except Unreadable as error:
        return error.reason
    except OSError as error:
        raise TitheError(f"{path} can't be read ({error.strerror}): run again, what is checked is kept") from error


def check_all(root: Path, files: Iterable[File], max_pixels: int) -> list[Whole | str]:
    """Check files whose paths count from a root, several at a time.

    Those that an earlier call has checked, even one that was killed, are not opened.
    """
    files = list(files)
    store = cache.place("images", storage.digest([VERSION, str(root.absolute()), max_pixels]), ".jsonl")
    lines = storage.read_lines(store)
    known: Found = {(line["path"], Stamp(*line["stamp"])): _restored(line["found"]) for line in lines}
    new = [file for file in dict.fromkeys(files) if file not in known]
    known |= _read(root, new, max_pixels, store) if new else {}
    return [known[file] for file in files]


def _restored(found: Any) -> Whole | str:
    if isinstance(found, str):
        return found
    sha256, phash, header = found
    return Whole(sha256, phash, headers.Header(*header))


def _read(root: Path, files: list[File], max_pixels: int, store: Path) -> Found:
    read: Found = {}
    threads = min(_THREADS, os.cpu_count() or 1)
    with (
        closing(storage.JsonLines(store)) as lines,
        ThreadPoolExecutor(threads) as pool,
        bar("checking", len(files), "images") as tick,
    ):
        for first in range(0, len(files), _AT_ONCE):
            some = files[first : first + _AT_ONCE]
            checked = pool.map(lambda file: check(root / file[0], max_pixels), some)
            for (path, stamp), found in zip(some, checked, strict=True):
                read[path, stamp] = found
                # What has no stamp is not there or not allowed, which may change without a trace.
                if stamp:
                    lines.append({"path": path, "stamp": stamp, "found": found})
            tick(len(some))
    return read
