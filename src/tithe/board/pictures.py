"""Small pictures of the files that a run on images lists: mistakes, near copies, files left out, selected rows."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from tithe import storage
from tithe.board import maps
from tithe.board.rows import read_object
from tithe.data.images.load import root
from tithe.imaging import decode
from tithe.imaging.files import Unreadable
from tithe.storage import run_files

_MOST, _OF_EACH = 120, 60  # files
_MOST_PIXELS, _SIDE, _QUALITY, _KEPT = 64_000_000, 160, 80, 256
_decoding = threading.Semaphore(2)  # a picture of the most pixels takes 200 MB


class Listed(NamedTuple):
    """A file that a run lists: its name in the data set, why it is listed, its class if that is known."""

    path: Path
    name: str
    why: str
    label: str = ""


def listed(home: Path) -> list[Listed]:
    """Return files that a run on images lists and that still exist; none for a run on texts.

    Raises
    ------
    InputError
        A file of the run is missing or damaged.
    """
    settings = read_object(home / run_files.CONFIG, "data", "task")
    if settings["task"] != "image":
        return []
    folder = root(Path(settings["data"]["path"])).absolute()
    files = (Listed(folder / name, name, why, label) for name, why, label in _names(home))
    return list(islice((each for each in files if _is_inside(folder, each.name)), _MOST))


def _names(home: Path) -> Iterator[tuple[str, str, str]]:
    """Yield names of files, each with why it is listed and its class: mistakes first, then what the data has."""
    if (home / run_files.DETAILS).is_file():
        names = maps.class_names(home)
        for row in read_object(home / run_files.DETAILS, "examples")["examples"][:_OF_EACH]:
            if row["label"] != row["predicted"]:
                yield row["text"], "mistake", f"{names[row['label']]} → {names[row['predicted']]}"
    near: dict[str, Any] = read_object(home / run_files.DATA_REPORT).get("near_duplicates", {})
    yield from islice(((str(name), "near_copy", "") for pair in near.get("examples", []) for name in pair), _OF_EACH)
    dropped = storage.read_lines(home / run_files.DROPPED)
    yield from islice(((str(line["path"]), str(line["reason"]), "") for line in dropped if "path" in line), _OF_EACH)
    if (home / run_files.SELECTION_POINTS).is_file():
        points = maps.read_map(home)
        for name, label, chosen in zip(points["text"], points["label"], points["chosen"], strict=True):
            if chosen:
                yield name, "chosen", label


def _is_inside(folder: Path, name: str) -> bool:
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or "\0" in name:
        return False
    file = (folder / name).resolve()
    return file.is_relative_to(folder.resolve()) and file.is_file()


def thumbnail(path: Path) -> bytes | None:
    """Return a small JPEG picture of an image file; None if it can't be decoded."""
    try:
        stat = path.stat()
        return _thumbnail(path, stat.st_mtime_ns, stat.st_size)
    except (OSError, Unreadable):
        return None


@lru_cache(maxsize=_KEPT)
def _thumbnail(path: Path, modified: int, size: int) -> bytes:
    from PIL import Image

    with _decoding:
        picture = Image.fromarray(decode.read(path, _MOST_PIXELS))
    picture.thumbnail((_SIDE, _SIDE))
    content = io.BytesIO()
    picture.save(content, "JPEG", quality=_QUALITY)
    return content.getvalue()
