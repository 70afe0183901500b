"""Folders that are written completely or not at all, with a manifest of hashes that is written last."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from tithe.storage.files import ASIDE, sync, write_json
from tithe.storage.hashing import sha256_file

MANIFEST = "manifest.json"


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; if the block succeeds, add a manifest and rename the folder to `path`.

    The manifest with every file's SHA-256 is written last: a folder without one, or with one that does not match,
    was interrupted. An earlier folder at `path` is kept until the new one is complete.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f"{ASIDE}{os.getpid()}-{path.name}")
    shutil.rmtree(aside, ignore_errors=True)
    aside.mkdir()
    try:
        yield aside
        for file in _files(aside):
            sync(file)
        write_manifest(aside)
        sync(aside)
        old = path.with_name(f"{ASIDE}old-{os.getpid()}-{path.name}")
        if path.exists():
            path.replace(old)
        try:
            aside.replace(path)
        except BaseException as error:
            if old.exists():
                old.replace(path)
            elif isinstance(error, OSError) and not broken_files(path):
                return  # another process has just written the same folder
            raise
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def link_tree(source: Path, target: Path) -> None:
    """Hard-link a folder's files into another folder; copy them where the file system has no hard links."""
    for file in sorted(p for p in source.rglob("*") if p.is_file()):
        link = target / file.relative_to(source)
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, link)
        except OSError:
            shutil.copyfile(file, link)


def recover(folder: Path) -> None:
    """Remove unfinished files of a killed process, and restore folders that it had moved away and not yet replaced."""
    for leftover in folder.glob(f"{ASIDE}*"):
        name = leftover.name.removeprefix(f"{ASIDE}old-").partition("-")[2]
        if leftover.name.startswith(f"{ASIDE}old-") and not (folder / name).exists():
            leftover.replace(folder / name)
        elif leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    paths = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(p for p in paths if p.is_file())


def write_manifest(folder: Path, paths: Iterable[Path] | None = None) -> None:
    """Write a folder's manifest: the SHA-256 of every file in it, or of those under the given paths."""
    files = {file for path in ([folder] if paths is None else paths) for file in _files(path)} - {folder / MANIFEST}
    write_json(folder / MANIFEST, {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(files)})


def broken_files(folder: Path) -> list[str]:
    """Return the files that are missing or differ from the manifest; an empty list means the folder is intact."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return [MANIFEST]
    if not isinstance(manifest, dict):
        return [MANIFEST]
    return [
        name
        for name, expected in sorted(manifest.items())
        if not (folder / name).is_file() or sha256_file(folder / name) != expected
    ]
