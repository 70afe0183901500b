"""Which files of a folder count, and how their names are shown."""

from __future__ import annotations

import os
from pathlib import Path

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
