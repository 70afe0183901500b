"""Folders that are written completely or not at all, with a manifest of hashes that is written last."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from tithe.storage.files import sync, write_json
from tithe.storage.hashing import sha256_file
from tithe.storage.leftovers import beside, moved_away
from tithe.storage.recording import note, recording

MANIFEST = "manifest.json"
# A folder that is added to a finished one later, and has a manifest of its own.
ADDED = "abstention"
NOT_LISTED = " (not in the manifest)"  # what is said of a file that the manifest does not name


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield a temporary folder; if the block succeeds, add a manifest and rename the folder to `path`.

    The manifest with every file's SHA-256 is written last: a folder without one, or with one that does not match,
    was interrupted. An earlier folder at `path` is kept until the new one is complete.
    """
    with beside(path, Path.mkdir) as aside:
        with recording(aside) as written:
            yield aside
            files = files_in(aside)
            for file in files:
                sync(file)
            names = {file.relative_to(aside).as_posix(): file for file in files}
            write_manifest(aside, {name: written.get(name) or sha256_file(file) for name, file in names.items()})
        sync(aside)
        with moved_away(path):
            try:
                aside.replace(path)
            except OSError:
                if broken_files(path):
                    raise
                return  # another process has just written the same folder
            note(path / MANIFEST)
            sync(path.parent)


def link_tree(source: Path, target: Path) -> None:
    """Hard-link a folder's files into another folder; copy them where the file system has no hard links.

    Where a manifest vouches for them, in the folder or in the one above, only the files that it names are linked, with
    the hashes that it gives: they are not taken again.
    """
    known = _vouched(source)
    names = [file.relative_to(source).as_posix() for file in files_in(source)] if known is None else known
    for name in sorted(names):
        link = target / name
        link.parent.mkdir(parents=True, exist_ok=True)
        try:
            os.link(source / name, link)
        except OSError:
            shutil.copyfile(source / name, link)
        note(link, known[name] if known else None)


def _vouched(folder: Path) -> dict[str, str] | None:
    """Return the files of a folder by the manifest in it, or by that of its parent; None if neither has one."""
    for home, prefix in ((folder, ""), (folder.parent, f"{folder.name}/")):
        if (listed := read_manifest(home)) is not None:
            return {name.removeprefix(prefix): hash_ for name, hash_ in listed.items() if name.startswith(prefix)}
    return None


def files_in(folder: Path) -> list[Path]:
    """Return the path itself if it is a file, or every file under it, sorted."""
    paths = [folder] if folder.is_file() else folder.rglob("*")
    return sorted(p for p in paths if p.is_file())


def write_manifest(folder: Path, hashes: Mapping[str, str]) -> None:
    """Write a folder's manifest: the SHA-256 of its files, by their path in it."""
    write_json(folder / MANIFEST, {name: hashes[name] for name in sorted(hashes) if name != MANIFEST})


def read_manifest(folder: Path) -> dict[str, str] | None:
    """Return the entries of a folder's manifest; None if it is missing or none."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    is_one = isinstance(manifest, dict) and all(isinstance(value, str) for value in manifest.values())
    return manifest if is_one else None


def listed_files(folder: Path) -> dict[str, str]:
    """Return the entries of a folder's manifest, and of each manifest that it lists; none if it has no manifest."""
    listed = read_manifest(folder) or {}
    for name in list(listed):
        place = PurePosixPath(name)
        if place.name == MANIFEST and not _leads_outside(name):
            inner = read_manifest(folder / place.parent) or {}
            listed |= {(place.parent / file).as_posix(): hash_ for file, hash_ in inner.items()}
    return listed


def broken_files(folder: Path, exclusive: bool = True) -> list[str]:
    """Return what a folder's manifest does not vouch for; an empty list means the folder is intact.

    These are files that are missing, differ, or lie outside the folder, by a link or by their name; and, if the folder
    holds nothing else, files that the manifest does not name. Hidden ones are never read and do not count. A manifest
    without entries vouches for nothing.

    Parameters
    ----------
    exclusive
        Whether everything in the folder was written with its manifest, as by `atomic_folder`.
    """
    listed = listed_files(folder)
    if not listed:
        return [MANIFEST]
    broken = [name for name, expected in listed.items() if not _is_intact(folder, name, expected)]
    return sorted([*broken, *unlisted_files(folder, [folder])] if exclusive else broken)


def changed_files(folder: Path, names: Iterable[str]) -> list[str]:
    """Return which of the named files, if they exist, the manifest of a finished run does not vouch for.

    A folder without a manifest vouches for nothing yet: no file counts as changed.
    """
    if not (folder / MANIFEST).exists():
        return []
    listed = listed_files(folder)
    return [name for name in names if (folder / name).exists() and not _is_intact(folder, name, listed.get(name, ""))]


def unlisted_files(folder: Path, paths: Iterable[Path]) -> list[str]:
    """Return the files under some paths in a folder that its manifest does not name, except hidden ones.

    Those of a folder that was added later do not count: its own manifest vouches for them, where they are read.
    """
    listed = {*listed_files(folder), MANIFEST}
    found = {file for path in paths for file in (path, *path.rglob("*")) if file.is_file() or file.is_symlink()}
    names = sorted(file.relative_to(folder).as_posix() for file in found)
    unknown = [name for name in names if name not in listed and "/." not in f"/{name}"]
    return [f"{name}{NOT_LISTED}" for name in unknown if not _is_added(folder / name)]


def _is_added(file: Path) -> bool:
    folder = file.parent
    return folder.name == ADDED and (folder / MANIFEST).is_file() and not folder.is_symlink()


def _is_intact(folder: Path, name: str, expected: str) -> bool:
    path = folder / name
    if _leads_outside(name) or not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
        return False
    return sha256_file(path) == expected


def _leads_outside(name: str) -> bool:
    return PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts
