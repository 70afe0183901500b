"""Folders that appear whole or not at all, with a manifest of hashes that is written last."""

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
    """Yield a folder beside `path`; when the block ends well it becomes `path`, whole, with a manifest.

    The manifest with every file's SHA-256 is written last, so a folder without one, or with one that does
    not match, was interrupted. An earlier folder at `path` stays until the new one stands complete.
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
                return  # another process has just put its own there
            raise
        sync(path.parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def link_tree(source: Path, target: Path) -> None:
    """Put a folder's files into another without a second copy of their bytes, where the disk can do that."""
    for file in sorted(p for p in source.rglob("*") if p.is_file()):
        there = target / file.relative_to(source)
        there.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(file, there)
        except OSError:
            shutil.copyfile(file, there)


def recover(folder: Path) -> None:
    """Clear what a killed process left half-done; give back what it had moved aside and not yet replaced."""
    for left in folder.glob(f"{ASIDE}*"):
        name = left.name.removeprefix(f"{ASIDE}old-").partition("-")[2]
        if left.name.startswith(f"{ASIDE}old-") and not (folder / name).exists():
            left.replace(folder / name)
        elif left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _files(folder: Path) -> list[Path]:
    found = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(p for p in found if p.is_file())


def write_manifest(folder: Path, paths: Iterable[Path] | None = None) -> None:
    """Record the SHA-256 of every file under a folder, or under some paths in it, in its manifest."""
    files = {file for path in ([folder] if paths is None else paths) for file in _files(path)} - {folder / MANIFEST}
    write_json(folder / MANIFEST, {p.relative_to(folder).as_posix(): sha256_file(p) for p in sorted(files)})


def broken_files(folder: Path) -> list[str]:
    """Return what is wrong with a folder against its manifest; an empty list means it is whole."""
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
