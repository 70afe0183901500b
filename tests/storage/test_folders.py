"""A folder is there whole or not at all, and its manifest finds every change."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from support.writes import Stopped, leftovers
from tithe import storage

# ---- atomic folders


def test_a_folder_is_on_disk_before_it_is_in_place_and_its_parent_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[tuple[int, bool]]
) -> None:
    monkeypatch.chdir(tmp_path)
    with storage.atomic_folder(Path("home")) as aside:
        (aside / "sub").mkdir()
        (aside / "sub" / "file.txt").write_text("text")
    inside = {path.stat().st_ino for path in (Path("home"), *Path("home").rglob("*")) if path.name != "sub"}
    assert inside <= {inode for inode, in_place in synced if not in_place}
    assert synced[-1] == (tmp_path.stat().st_ino, True)


def test_an_atomic_folder_is_whole_and_replaces_the_old_one(tmp_path: Path) -> None:
    for content in ("first", "second"):
        with storage.atomic_folder(tmp_path / "home") as aside:
            (aside / "sub").mkdir()
            (aside / "sub" / f"{content}.txt").write_text(content)
    assert [p.name for p in (tmp_path / "home" / "sub").iterdir()] == ["second.txt"]
    assert storage.broken_files(tmp_path / "home") == []
    assert storage.read_json(tmp_path / "home" / storage.MANIFEST).keys() == {"sub/second.txt"}
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt])
def test_an_interrupted_folder_leaves_the_old_one(tmp_path: Path, old: bool, error: type[BaseException]) -> None:
    home = tmp_path / "home"
    if old:
        with storage.atomic_folder(home) as aside:
            (aside / "file.txt").write_text("old")
    with pytest.raises(error), storage.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("half")
        raise error
    assert home.exists() is old
    if old:
        assert (home / "file.txt").read_text() == "old"
        assert storage.broken_files(home) == []
    assert leftovers(tmp_path) == []


def test_a_folder_that_can_not_be_put_in_place_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    with storage.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("old")
    replace = Path.replace

    def refuse(path: Path, target: Path) -> Path:
        if Path(target) == home and (path / "file.txt").read_text() == "new":
            raise Stopped
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(Stopped), storage.atomic_folder(home) as aside:
        (aside / "file.txt").write_text("new")
    assert (home / "file.txt").read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_killed_write_leaves_the_old_folder_and_the_next_one_goes_through(tmp_path: Path) -> None:
    home = tmp_path / "home"
    code = (
        "import os, sys; from pathlib import Path; from tithe import storage\n"
        "with storage.atomic_folder(Path(sys.argv[1])) as aside:\n"
        "    (aside / 'file.txt').write_text(sys.argv[2])\n"
        "    if sys.argv[2] == 'half': os._exit(9)\n"
    )
    codes = [subprocess.run([sys.executable, "-c", code, home, text]).returncode for text in ("old", "half")]
    assert codes == [0, 9]
    assert (home / "file.txt").read_text() == "old"
    assert storage.broken_files(home) == []
    subprocess.run([sys.executable, "-c", code, home, "new"], check=True)
    assert (home / "file.txt").read_text() == "new"


# ---- the manifest

CHANGES: dict[str, tuple[Callable[[Path], object], list[str]]] = {
    "nothing": (lambda home: None, []),
    "one byte": (lambda home: (home / "a.bin").write_bytes(b"0123456780"), ["a.bin"]),
    "truncated": (lambda home: os.truncate(home / "a.bin", 5), ["a.bin"]),
    "emptied": (lambda home: os.truncate(home / "sub" / "b.txt", 0), ["sub/b.txt"]),
    "longer": (lambda home: (home / "a.bin").write_bytes(b"0123456789x"), ["a.bin"]),
    "missing": (lambda home: (home / "sub" / "b.txt").unlink(), ["sub/b.txt"]),
    "a folder missing": (lambda home: shutil.rmtree(home / "sub"), ["sub/b.txt"]),
    "swapped": (lambda home: (home / "sub" / "b.txt").replace(home / "a.bin"), ["a.bin", "sub/b.txt"]),
    "no manifest": (lambda home: (home / storage.MANIFEST).unlink(), [storage.MANIFEST]),
    "manifest cut": (lambda home: os.truncate(home / storage.MANIFEST, 20), [storage.MANIFEST]),
    "manifest of another kind": (lambda home: (home / storage.MANIFEST).write_text("[]"), [storage.MANIFEST]),
}


@pytest.mark.parametrize("change", CHANGES)
def test_the_manifest_finds_every_change(tmp_path: Path, change: str) -> None:
    with storage.atomic_folder(tmp_path / "home") as aside:
        (aside / "sub").mkdir()
        (aside / "a.bin").write_bytes(b"0123456789")
        (aside / "sub" / "b.txt").write_text("text")
    act, found = CHANGES[change]
    act(tmp_path / "home")
    assert storage.broken_files(tmp_path / "home") == found


def test_no_folder_is_not_whole(tmp_path: Path) -> None:
    assert storage.broken_files(tmp_path / "nowhere") == [storage.MANIFEST]
