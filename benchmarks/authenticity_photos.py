"""Photographs for the authenticity benchmark from Debian packages: downloaded once, nothing is installed or run.

`authenticity_photos.txt` lists the files with their hashes. A file with a different hash, as another Debian release may
have, is left out; so is a package that the release does not have.
"""

from __future__ import annotations

import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tithe import storage
from tithe.errors import TitheError

Image = np.ndarray[Any, np.dtype[Any]]  # uint8, shape (H, W, 3), BGR as in OpenCV

CACHE = storage.cache_dir() / "benchmarks"
SIDE = 256  # of a crop
_LIST = Path(__file__).with_suffix(".txt")
_DIGITS = 16  # of a file's SHA-256: enough to identify it
_SHRINK = (2.0, 2.4)


def photographs() -> dict[str, Path]:
    """Return the files by the first digits of their SHA-256, in the order of the list; download missing ones.

    Raises
    ------
    TitheError
        No package could be downloaded.
    """
    wanted: dict[str, dict[str, str]] = {}
    for line in _LIST.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            package, member, key = line.split("\t")
            wanted.setdefault(package, {})[member] = key
    photos: dict[str, Path] = {}
    for package, members in wanted.items():
        folder = CACHE / "photos" / package
        if storage.broken_files(folder):
            _fetch(package, members, folder)
        photos |= {key: folder / key for key in members.values() if (folder / key).is_file()}
    if not photos:
        raise TitheError("no photograph could be downloaded: this needs apt-get and dpkg-deb, and a Debian mirror")
    if missing := sum(map(len, wanted.values())) - len(photos):
        print(f"{missing} photographs are missing: the data set differs from the published one", flush=True)
    return photos


def _fetch(package: str, members: dict[str, str], folder: Path) -> None:
    """Extract the members whose hash matches into a folder, each under its key."""
    with tempfile.TemporaryDirectory() as aside:
        try:
            subprocess.run(["apt-get", "download", package], cwd=aside, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            print(f"{package}: cannot be downloaded", flush=True)
            return
        (archive,) = Path(aside).glob("*.deb")
        with storage.atomic_folder(folder) as out, (Path(aside) / "files").open("w+b") as files:
            subprocess.run(["dpkg-deb", "--fsys-tarfile", str(archive)], stdout=files, check=True)
            files.seek(0)
            _take(files, members, out)


def _take(files: Any, members: dict[str, str], out: Path) -> None:
    with tarfile.open(fileobj=files) as tree:
        for entry in tree:
            key = members.get(entry.name.removeprefix("./"))
            if key and (content := tree.extractfile(entry)):
                (out / key).write_bytes(content.read())
                if not storage.sha256_file(out / key).startswith(key):
                    (out / key).unlink()


def read(path: Path) -> Image:
    """Return the pixels of a file as they are stored.

    Raises
    ------
    TitheError
        It is not an image.
    """
    image = cv2.imread(str(path), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if image is None:
        raise TitheError(f"{path} cannot be read: delete its folder, and it will be recreated")
    return image


def shrunk(path: Path, rng: np.random.Generator) -> Image:
    """Read a photograph and shrink it at least two times, which removes the artifacts of an earlier JPEG.

    The factor is random, so that the 8-pixel grid does not become one of 4 pixels. It is smaller if the shorter side
    would otherwise be smaller than a crop.
    """
    image = read(path)
    height, width = image.shape[:2]
    factor = min(rng.uniform(*_SHRINK), min(height, width) / SIDE)
    return cv2.resize(image, (round(width / factor), round(height / factor)), interpolation=cv2.INTER_AREA)
