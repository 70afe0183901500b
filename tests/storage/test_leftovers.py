"""What killed processes have left is cleared; what living ones are writing is not, nor anybody else's files."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.writes import Stopped, leftovers, names
from tithe import storage

KEPT = [".partial-notes", ".partial-7", ".partial-x-file", "partial-7-file", ".partial", "file.txt"]
LEFT = [".partial-7-a.txt", ".partial-7-removed-b", ".partial-old-7-home", ".partial-123456789-two\nlines"]


@pytest.mark.parametrize("make", [Path.touch, Path.mkdir])
def test_the_first_write_to_a_folder_clears_it(tmp_path: Path, make: object) -> None:
    (tmp_path / "home").mkdir()
    for name in (*KEPT, *LEFT):
        make(tmp_path / name)  # type: ignore[operator]
    storage.write_text(tmp_path / "new.txt", "new")
    assert names(tmp_path) == sorted([*KEPT, "home", "new.txt"])


def test_a_folder_that_was_moved_away_comes_back(tmp_path: Path) -> None:
    with storage.atomic_folder(tmp_path / "best") as aside:
        (aside / "file.txt").write_text("old")
    (tmp_path / "best").rename(tmp_path / ".partial-old-7-best")
    storage.recover(tmp_path)
    assert storage.broken_files(tmp_path / "best") == [] and leftovers(tmp_path) == []


def test_what_a_living_process_writes_is_left_alone(tmp_path: Path) -> None:
    old = tmp_path / "home/old.txt"
    with storage.atomic_folder(tmp_path / "home") as aside:
        (aside / "old.txt").write_text("old")
    with storage.atomic_folder(tmp_path / "home") as folder, storage.atomic_file(tmp_path / "file") as file:
        file.write_text("new")
        storage.recover(tmp_path)
        assert sorted(leftovers(tmp_path)) == sorted([folder.name, file.name]) and old.exists()
        (tmp_path / ".partial-7-file").touch()
        storage.recover(tmp_path)
        assert sorted(leftovers(tmp_path)) == sorted([folder.name, file.name])
    assert (tmp_path / "file").read_text() == "new" and not old.exists()


def test_two_writers_of_one_file_do_not_share_a_temporary_one(tmp_path: Path) -> None:
    """Two containers on one disk may have the same process number."""
    with storage.atomic_file(tmp_path / "file") as one, storage.atomic_file(tmp_path / "file") as two:
        one.write_text("one")
        two.write_text("two")
    assert one != two and (tmp_path / "file").read_text() == "one" and leftovers(tmp_path) == []


@pytest.mark.parametrize("times", [1, 3])
def test_one_that_is_removed_before_it_is_marked_is_made_again(tmp_path: Path, times: int) -> None:
    made: list[Path] = []

    def make(path: Path) -> None:
        path.touch()
        made.append(path)
        if len(made) <= times:
            path.unlink()  # as another process clears the folder

    with storage.beside(tmp_path / "file", make) as temporary:
        assert temporary.exists() and len(made) == times + 1


def test_what_is_removed_is_gone_at_once_whenever_the_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "step_1").mkdir()
    (tmp_path / "step_1/model.pt").touch()

    def stop(*args: object, **kwargs: object) -> None:
        raise Stopped

    with monkeypatch.context() as patch, pytest.raises(Stopped):
        patch.setattr(shutil, "rmtree", stop)
        storage.remove(tmp_path / "step_1")
    assert not (tmp_path / "step_1").exists() and len(leftovers(tmp_path)) == 1
    storage.recover(tmp_path)
    assert names(tmp_path) == []


@pytest.mark.parametrize("kind", ["file", "folder", "link", "nothing"])
def test_anything_is_removed_but_not_what_a_link_leads_to(tmp_path: Path, kind: str) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").touch()
    path = tmp_path / "x"
    {"file": path.touch, "folder": path.mkdir, "nothing": list, "link": lambda: path.symlink_to("there")}[kind]()
    storage.remove(path)
    assert names(tmp_path) == ["there"] and (tmp_path / "there/file").exists()


def test_a_killed_process_leaves_what_the_next_one_clears(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom pathlib import Path\nfrom tithe import storage\n"
        "with storage.atomic_folder(Path(sys.argv[1], 'a')), storage.atomic_file(Path(sys.argv[1], 'b')):\n"
        "    os._exit(9)\n"
    )
    assert subprocess.run([sys.executable, "-c", code, tmp_path]).returncode == 9
    assert len(leftovers(tmp_path)) == 2
    storage.write_text(tmp_path / "new.txt", "new")
    assert names(tmp_path) == ["new.txt"]
