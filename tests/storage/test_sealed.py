"""A result that stands alone: only what was written under its name is read back."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tithe import storage

VALUE: dict[str, Any] = {"accuracy": 0.1 + 0.2, "rows": [1, 2], "name": "да", "none": None, "tuple": (1, 2)}


def edited(path: Path) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps({**value, "accuracy": 0.9}))


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def of_another_name(path: Path) -> None:
    storage.write_sealed(path.with_name("other.json"), VALUE)
    path.with_name("other.json").replace(path)


def of_another_folder(path: Path) -> None:
    storage.write_sealed(path.parent / "other/value.json", VALUE)
    shutil.copyfile(path.parent / "other/value.json", path)


def unsealed(path: Path) -> None:
    storage.write_json(path, VALUE)


CHANGES: list[Callable[[Path], Any]] = [edited, flipped, of_another_name, of_another_folder, unsealed]
CHANGES += [lambda path: path.unlink(), lambda path: path.write_text(""), lambda path: path.write_text("[]")]


def test_what_was_written_is_read_back(tmp_path: Path) -> None:
    storage.write_sealed(tmp_path / "value.json", VALUE)
    assert storage.read_sealed(tmp_path / "value.json") == {**VALUE, "tuple": [1, 2]}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_else_is_not(tmp_path: Path, change: Callable[[Path], Any]) -> None:
    storage.write_sealed(tmp_path / "value.json", VALUE)
    change(tmp_path / "value.json")
    assert storage.read_sealed(tmp_path / "value.json") is None
