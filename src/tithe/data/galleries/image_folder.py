"""Folders whose names give the class, real or fake, as in published sets of generated images."""

from __future__ import annotations

import os
from pathlib import Path

from tithe.data.clean import clean_text
from tithe.data.images.listing import UNKNOWN, Listed, Listing, Skipped, class_of
from tithe.data.labels import storable
from tithe.data.splits import part_of
from tithe.errors import InputError
from tithe.imaging import folders

_LAYOUTS = "[split/]real|fake, [split/]generator/[kind/]0_real|1_fake or generator/train|val/nature|ai"
_CURE = f"sort the images into {_LAYOUTS}, or list them in a CSV of path,label"


def claims(path: Path) -> int:
    """Return how well this gallery fits a path: 1 for any folder, else 0."""
    return int(path.is_dir())


def listing(path: Path) -> Listing:
    """List every file of a folder, sorted by path.

    A folder named `real` or `nature` contains real photographs, one named `fake` or `ai` fakes; a number may precede
    the name. Its parent folders may be a generator, a kind of object and a split (`train`, `val`, `test`). All files in
    a class folder and in the folders below it are listed, whatever their suffix. Other files are skipped as
    `no_class_folder`; hidden files and those of file managers are ignored. Paths are as `folders.shown` writes them; a
    file whose name is not Unicode is skipped as `unreadable_name` where another one has the name that is written so.

    Raises
    ------
    InputError
        The folder does not exist or has no such layout, or an image outside the layout has no class.
    """
    if not path.is_dir():
        raise InputError(f"{path} is not a folder: image_folder reads folders, image_csv reads a CSV file")
    entries = tuple(_entry(path, file) for file in folders.files_in(path))
    if not any(isinstance(entry, Listed) for entry in entries):
        raise InputError(f"{path} has no folder of real or fake images: {_CURE}")
    return Listing(entries)


def _entry(root: Path, file: str) -> Listed | Skipped:
    if storable(file) != file:
        file = folders.shown(file)
        if os.path.lexists(root / file):
            return Skipped(file, "unreadable_name")
    *names, name = file.split("/")
    labels = [class_of(folder) for folder in names]
    at = max((place for place, label in enumerate(labels) if label is not None), default=None)
    if at is None:
        if folders.has_image_suffix(name):
            raise InputError(f"{root}: {file} is not in a folder of real or fake images: {_CURE}")
        return Skipped(file, "no_class_folder")
    label, above = labels[at], names[:at]
    assert label is not None
    # The split comes first, or directly above the class.
    first = next((i for i in (0, -1) if above and part_of(above[i])), None)
    split = None if first is None else part_of(above.pop(first))
    if len(above) > 2 or any(part_of(folder) or class_of(folder) is not None for folder in above):
        raise InputError(f"{root}: the folder of {file} fits no known layout: {_CURE}")
    return Listed(file, label, generator=clean_text(above[0]) if above else UNKNOWN, split=split)
