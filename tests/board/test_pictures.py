"""Pictures: only of files that a run lists, and only of those inside of its data set."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from support.image_sets import picture, save
from tithe import storage
from tithe.board import pictures
from tithe.board.maps import read_map
from tithe.errors import InputError


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """What an image run has written of its files."""
    home, photos = tmp_path / "run", tmp_path / "photos"
    for name in ("a.png", "b.png", "c.png", "d.png", "unlisted.png"):
        save(photos / name, picture(1, 400))
    save(tmp_path / "secret.png", picture(2))
    (photos / "link.png").symlink_to(tmp_path / "secret.png")
    (photos / "text.png").write_text("no picture")
    home.mkdir()
    files: dict[str, Any] = {
        "config.json": {"task": "image", "data": {"path": str(photos)}},
        "labels.json": {"names": ["fake", "real"]},
        "data_report.json": {"near_duplicates": {"examples": [["a.png", "../secret.png"], ["link.png", "gone.png"]]}},
        "details.json": {
            "examples": [
                {"text": "d.png", "label": 0, "predicted": 1},
                {"text": "unlisted.png", "label": 1, "predicted": 1},
            ]
        },
        "selection_points.json": [
            {"at": [1, 2], "label": 1, "chosen": chosen, "text": text}
            for text, chosen in (("c.png", True), ("unlisted.png", False))
        ],
    }
    for name, value in files.items():
        storage.write_json(home / name, value)
    dropped = [
        {"path": name, "reason": "damaged"} for name in ("b.png", "text.png", str(tmp_path / "secret.png"), "\0")
    ]
    storage.write_lines(home / "dropped.jsonl", dropped)
    return home


LISTED = [
    ("d.png", "mistake", "fake → real"),
    ("a.png", "near_copy", ""),
    ("b.png", "damaged", ""),
    ("text.png", "damaged", ""),
    ("c.png", "chosen", "real"),
]


def test_what_a_run_lists(home: Path) -> None:
    listed = pictures.listed(home)
    assert [(each.name, each.why, each.label) for each in listed] == LISTED
    small = Image.open(io.BytesIO(pictures.thumbnail(listed[0].path) or b""))
    assert small.format == "JPEG" and max(small.size) == 160
    assert pictures.thumbnail(listed[3].path) is None and pictures.thumbnail(home / "nothing.png") is None


def test_a_run_on_texts_has_none(home: Path) -> None:
    storage.write_json(home / "config.json", {"task": "text", "data": {"path": "/etc"}})
    assert pictures.listed(home) == []


def test_a_map_has_texts_and_names_of_classes(home: Path) -> None:
    assert read_map(home) == {
        "x": [1.0, 1.0], "y": [2.0, 2.0], "chosen": [True, False], "label": ["real", "real"],
        "text": ["c.png", "unlisted.png"],
    }  # fmt: skip
    (home / "labels.json").unlink()
    with pytest.raises(InputError, match=r"there is no labels\.json"):
        read_map(home)
