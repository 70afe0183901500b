"""JSON files with a hash of their own, for results that stand alone: an edited or exchanged one is noticed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tithe.errors import InputError
from tithe.storage.files import read_json, write_json
from tithe.storage.hashing import digest

SEAL = "sha256"


def write_sealed(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object and, under the key `sha256`, the hash of its content and of the name that it has."""
    write_json(path, {**value, SEAL: _seal(path, value)})


def read_sealed(path: Path) -> dict[str, Any] | None:
    """Return what `write_sealed` wrote, without the hash; None if it is missing, damaged, edited or another's."""
    try:
        value = read_json(path)
    except (InputError, OSError):
        return None
    if not isinstance(value, dict):
        return None
    content = {key: part for key, part in value.items() if key != SEAL}
    return content if value.get(SEAL) == _seal(path, content) else None


def _seal(path: Path, value: Mapping[str, Any]) -> str:
    return digest([path.parent.name, path.name, value])
