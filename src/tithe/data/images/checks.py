"""Read every image file completely, once, and cache the results, so that a later run reads only new files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from tithe import storage
from tithe.errors import InputError, TitheError
from tithe.imaging import decode, folders, headers
from tithe.imaging import phash as imaging_phash
from tithe.imaging.files import Unreadable
from tithe.progress import bar
from tithe.storage import cache

# Part of the cache key: increase it when the same file would get another result.
VERSION = 3

_SEAL = "sha256"  # of a line's other values
_THREADS = 8  # each has an image of up to max_pixels in memory
_AT_ONCE = 256


class Stamp(NamedTuple):
    """File metadata that changes with the content; read without opening the file."""

    size: int
    mtime_ns: int


class CheckedImage(NamedTuple):
    """Results of reading a complete image.

    Attributes
    ----------
    sha256
        Of the file, in hex.
    phash
        Perceptual hash of the pixels.
    header
        Metadata of the file.
    """

    sha256: str
    phash: int
    header: headers.Header


File = tuple[str, Stamp | None]  # its path and its stamp
Results = dict[File, CheckedImage | str]  # a string is the reason why a file is unusable


def stamp_of(path: Path) -> Stamp | None:
    """Return the stamp of a file; None if it does not exist or is not readable."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return Stamp(status.st_size, status.st_mtime_ns) if os.access(path, os.R_OK) else None


def check(path: Path, max_pixels: int) -> CheckedImage | str:
    """Read a file completely; return the results, or why it is unusable: one of `decode.REASONS`.

    Raises
    ------
    TitheError
        The disk fails; this is not a fault of the file.
    """
    try:
        pixels_HW3 = decode.read_usable(path, max_pixels)
        return CheckedImage(storage.sha256_file(path), imaging_phash.phash(pixels_HW3), headers.header(path))
    except Unreadable as error:
        return error.reason
    except OSError as error:
        raise TitheError(f"cannot read {path} ({error.strerror}): run again, finished checks are kept") from error


def check_all(root: Path, files: Iterable[File], max_pixels: int) -> list[CheckedImage | str]:
    """Check files, given by paths relative to a root, several at a time.

    Files checked by an earlier call, even one that was killed, are not opened.
    """
    files = list(files)
    store = cache.place("images", storage.digest([VERSION, str(root.absolute()), max_pixels]), ".jsonl")
    results = _earlier(store)
    new = [file for file in dict.fromkeys(files) if file not in results]
    results |= _read(root, new, max_pixels, store) if new else {}
    return [results[file] for file in files]


def _earlier(store: Path) -> Results:
    """Return the results of earlier calls; a file whose line is damaged or edited is read again."""
    try:
        lines = storage.read_lines(store)
    except InputError:
        store.unlink()
        return {}
    intact = [line for line in lines if line.get(_SEAL) == _seal(line)]
    return {(line["path"], Stamp(*line["stamp"])): _restored(line["found"]) for line in intact}


def _seal(line: Mapping[str, object]) -> str:
    return storage.digest([line.get(name) for name in ("path", "stamp", "found")])


def _restored(saved: Any) -> CheckedImage | str:
    if isinstance(saved, str):
        return saved
    sha256, phash, header = saved
    return CheckedImage(sha256, phash, headers.Header(*header))


def _read(root: Path, files: list[File], max_pixels: int, store: Path) -> Results:
    results: Results = {}
    threads = min(_THREADS, os.cpu_count() or 1)
    with (
        closing(storage.JsonLines(store)) as lines,
        ThreadPoolExecutor(threads) as pool,
        bar("checking", len(files), "images") as tick,
    ):
        for first in range(0, len(files), _AT_ONCE):
            batch = files[first : first + _AT_ONCE]
            checked = pool.map(lambda file: check(folders.located(root, file[0]), max_pixels), batch)
            for (path, stamp), result in zip(batch, checked, strict=True):
                results[path, stamp] = result
                # A file without a stamp is missing or not readable, which may change undetected: do not cache it.
                if stamp:
                    line = {"path": path, "stamp": stamp, "found": result}
                    lines.append({**line, _SEAL: _seal(line)})
            tick(len(batch))
    return results
