"""Which files of a folder count, and how their names are shown."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tithe.imaging import folders


def test_hidden_files_litter_and_circles_do_not_count(tmp_path: Path) -> None:
    for name in ("b/c.png", "a.jpg", ".hidden/d.png", "b/.e.png", "Thumbs.db"):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "set" / name).touch()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/f.webp").touch()
    (tmp_path / "set/linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "set/b/circle").symlink_to(tmp_path / "set")
    (tmp_path / "set/dangling.png").symlink_to("nowhere")
    assert folders.files_in(tmp_path / "set") == ["a.jpg", "b/c.png", "dangling.png", "linked/f.webp"]


def test_names_that_are_not_unicode_stay_apart() -> None:
    names = [os.fsdecode(name) for name in (b"a\xff.png", b"a\xfe.png", "кот.png".encode(), b"plain.png")]
    assert [folders.shown(name) for name in names] == ["a\\xff.png", "a\\xfe.png", "кот.png", "plain.png"]


@pytest.mark.parametrize(
    "name", [b"a\xff.png", b"\xe9t\xe9/b.png", "кот\xff.png".encode(), b"c\\x41.png", b"plain.png"]
)
def test_a_path_as_it_is_shown_leads_to_its_file(name: bytes, tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(name)
    file.parent.mkdir(exist_ok=True)
    file.touch()
    assert folders.located(tmp_path, folders.shown(os.fsdecode(name))) == file


def test_a_name_that_has_the_escape_itself_comes_first(tmp_path: Path) -> None:
    for name in ("a\\xff.png", os.fsdecode(b"a\xff.png")):
        (tmp_path / name).touch()
    assert folders.located(tmp_path, "a\\xff.png").name == "a\\xff.png"
