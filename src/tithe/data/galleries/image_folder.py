"""Folders whose names give the class, real or fake, as in published sets of generated images."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

from tithe.data.clean import clean_text
from tithe.data.images.listing import UNKNOWN, Listed, Listing, Skipped, class_of
from tithe.data.labels import storable
from tithe.data.splits import part_of
from tithe.errors import InputError

_LAYOUTS = "[split/]real|fake, [split/]generator/[kind/]0_real|1_fake or generator/train|val/nature|ai"
_CURE = f"sort the images into {_LAYOUTS}, or list them in a CSV of path,label"
_IGNORED = frozenset(("thumbs.db", "ehthumbs.db", "desktop.ini"))
_IMAGE = re.compile(r".*\.(jpe?g|jpe|jfif|png|webp|bmp|gif|tiff?|avif|hei[cf]|jp2|p[bgnp]m)", re.IGNORECASE)


def claims(path: Path) -> int:
    """Return how well this gallery fits a path: 1 for any folder, else 0."""
    return int(path.is_dir())


def listing(path: Path) -> Listing:
    """List every file of a folder, sorted by path.

    A folder named `real` or `nature` contains real photographs, one named `fake` or `ai` fakes; a number may precede
    the name. Its parent folders may be a generator, a kind of object and a split (`train`, `val`, `test`). All files in
    a class folder are listed, whatever their suffix. Other files are skipped as `no_class_folder`, and files whose
    names are not Unicode as `unreadable_name`; hidden files and those of file managers are ignored.

    Raises
    ------
    InputError
        The folder does not exist or has no such layout, or an image outside the layout has no class.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a folder: image_folder reads folders, image_csv reads a CSV file")
    entries = tuple(_entry(path, file) for file in sorted(_files(path)))
    if not any(isinstance(entry, Listed) for entry in entries):
        raise InputError(f"{path} has no folder of real or fake images: {_CURE}")
    return Listing(entries)


def has_pictures(folder: Path) -> bool:
    """Return whether a folder, or one below it, has a file with the suffix of an image."""
    return any(_IMAGE.fullmatch(file) for file in _files(folder))


def _entry(root: Path, file: str) -> Listed | Skipped:
    if (plain := storable(file)) != file:
        return Skipped(plain, "unreadable_name")
    *folders, name = file.split("/")
    label = class_of(folders[-1]) if folders else None
    if label is None:
        if _IMAGE.fullmatch(name):
            raise InputError(f"{root}: {file} is not in a folder of real or fake images: {_CURE}")
        return Skipped(file, "no_class_folder")
    above = folders[:-1]
    # The split comes first, or directly above the class.
    at = next((i for i in (0, -1) if above and part_of(above[i])), None)
    split = None if at is None else part_of(above.pop(at))
    if len(above) > 2 or any(part_of(folder) or class_of(folder) is not None for folder in above):
        raise InputError(f"{root}: the folder of {file} fits no known layout: {_CURE}")
    return Listed(file, label, generator=clean_text(above[0]) if above else UNKNOWN, split=split)


def _files(root: Path) -> Iterator[str]:
    """Yield the paths of all files below a folder; links to folders are followed, except into a cycle."""
    for folder, below, names in os.walk(root, onerror=_refuse, followlinks=True):
        here = Path(folder)
        below[:] = [name for name in below if not name.startswith(".") and not _leads_back(here, name)]
        prefix = "" if here == root else f"{here.relative_to(root).as_posix()}/"
        yield from (f"{prefix}{name}" for name in names if not name.startswith(".") and name.lower() not in _IGNORED)


def _leads_back(here: Path, name: str) -> bool:
    return (here / name).is_symlink() and here.resolve().is_relative_to((here / name).resolve())


def _refuse(error: OSError) -> None:
    raise InputError(f"cannot list {error.filename} ({error.strerror}): make it readable, or move it away")
