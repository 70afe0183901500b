"""Atomic writes of text and JSON files."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tithe.errors import InputError
from tithe.storage.leftovers import beside
from tithe.storage.recording import note, recorded

_POINTER = b"version https://git-lfs."  # how a file of Git LFS begins that names the real one by its hash


def sync(path: Path) -> None:
    """Fsync a file or a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path in the same folder; if the block succeeds, fsync it and rename it to `path`."""
    with beside(path, Path.touch) as aside:
        yield aside
        sync(aside)
        note(path, content=aside)
        aside.replace(path)
        sync(path.parent)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_file(path) as aside:
        aside.write_text(text, encoding="utf-8")


def copy_file(source: Path, target: Path) -> None:
    """Copy a file atomically."""
    with atomic_file(target) as aside:
        shutil.copyfile(source, aside)


def move_file(source: Path, target: Path) -> None:
    """Rename a file within its folder; the hash that was recorded of it goes along."""
    hashes = recorded(source.parent)
    note(target, hashes.pop(source.name, None), content=source)
    source.replace(target)
    sync(target.parent)


def write_json(path: Path, value: object) -> None:
    """Write an indented JSON file atomically."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises
    ------
    InputError
        It is missing, or not JSON; the message gives the position.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"no file {path}") from None
    except RecursionError:
        raise InputError(f"{path} is not JSON of tithe: its brackets are nested too deeply") from None
    except ValueError as error:  # bad JSON, bad UTF-8, a number with thousands of digits
        raise InputError(f"{path} is not JSON: {error}") from None


def refuse_pointers(*paths: Path) -> None:
    """Refuse files of a Git clone that only name the large files in their place.

    Raises
    ------
    InputError
        One of the files is a pointer of Git LFS; missing files are not.
    """
    for path in paths:
        if path.is_file():
            with path.open("rb") as file:
                if file.read(len(_POINTER)) == _POINTER:
                    where = path.absolute().parent
                    raise InputError(f"{path} is a Git LFS pointer, not the file itself: run 'git lfs pull' in {where}")


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the values of nested mappings, each with its dotted key: `section.key`."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value
