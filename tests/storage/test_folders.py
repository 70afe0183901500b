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
    "manifest of nothing": (lambda home: (home / storage.MANIFEST).write_text("{}"), [storage.MANIFEST]),
    "manifest of numbers": (lambda home: (home / storage.MANIFEST).write_text('{"a.bin": 1}'), [storage.MANIFEST]),
    "one more": (lambda home: (home / "c.pt").write_text("x"), ["c.pt (not in the manifest)"]),
    "one more below": (lambda home: (home / "sub/c.pt").write_text("x"), ["sub/c.pt (not in the manifest)"]),
    "one more that is a link": (lambda home: (home / "c").symlink_to("sub"), ["c (not in the manifest)"]),
    "one more that is hidden": (lambda home: (home / ".nfs1").write_text("x"), []),
    "a link to the same outside": (lambda home: outside(home, "a.bin"), ["a.bin"]),
    "a folder behind a link": (lambda home: outside(home, "sub"), ["sub (not in the manifest)", "sub/b.txt"]),
    "a link to nowhere": (lambda home: outside(home, "a.bin").unlink(), ["a.bin"]),
    "a path out of it": (lambda home: listed(home, "../other"), ["../other"]),
    "a path from the root": (lambda home: listed(home, f"{home}/a.bin"), ["PATH/a.bin"]),
}


def outside(home: Path, name: str) -> Path:
    """Move a file or a folder out, and leave a link to it."""
    there = home.parent / f"moved-{name}"
    (home / name).rename(there)
    (home / name).symlink_to(there)
    return there


def listed(home: Path, name: str) -> None:
    """List a file with its true hash, wherever it is."""
    (home.parent / "other").write_text("x")
    hashes = storage.read_manifest(home) or {}
    storage.write_manifest(home, {**hashes, name: storage.sha256_file(home / name)})


@pytest.mark.parametrize("change", CHANGES)
def test_the_manifest_finds_every_change(tmp_path: Path, change: str) -> None:
    with storage.atomic_folder(tmp_path / "home") as aside:
        (aside / "sub").mkdir()
        (aside / "a.bin").write_bytes(b"0123456789")
        (aside / "sub" / "b.txt").write_text("text")
    act, found = CHANGES[change]
    act(tmp_path / "home")
    home = tmp_path / "home"
    assert storage.broken_files(home) == [name.replace("PATH", str(home)) for name in found]


def test_no_folder_is_not_whole(tmp_path: Path) -> None:
    assert storage.broken_files(tmp_path / "nowhere") == [storage.MANIFEST]


def test_a_manifest_in_a_folder_is_vouched_for_with_its_files(tmp_path: Path) -> None:
    with storage.recording(tmp_path / "home") as hashes:
        with storage.atomic_folder(tmp_path / "home/inner") as aside:
            (aside / "a.bin").write_bytes(b"0123456789")
        storage.write_text(tmp_path / "home/b.txt", "text")
    assert hashes.keys() == {"inner/manifest.json", "b.txt"}
    storage.write_manifest(tmp_path / "home", hashes)
    assert storage.listed_files(tmp_path / "home").keys() == {"inner/manifest.json", "inner/a.bin", "b.txt"}
    assert storage.broken_files(tmp_path / "home") == []
    (tmp_path / "home/inner/a.bin").write_bytes(b"0")
    assert storage.broken_files(tmp_path / "home") == ["inner/a.bin"]
    with storage.atomic_folder(tmp_path / "home/inner") as aside:  # another whole folder in its place
        (aside / "a.bin").write_bytes(b"0")
    assert storage.broken_files(tmp_path / "home") == ["inner/manifest.json"]


@pytest.mark.parametrize(("source", "target", "name"), [(".", ".", "sub/a.txt"), ("sub", "own", "own/a.txt")])
def test_linked_files_keep_the_hashes_that_they_were_written_with(
    tmp_path: Path, source: str, target: str, name: str
) -> None:
    with storage.atomic_folder(tmp_path / "first") as aside:
        storage.write_text(aside / "sub/a.txt", "text")
        storage.write_text(aside / "sub/b.txt", "text")
    (tmp_path / "first/sub/a.txt").write_text("changed since")
    (tmp_path / "first/sub/c.txt").write_text("somebody's")
    with storage.atomic_folder(tmp_path / "second") as aside:
        storage.link_tree(tmp_path / "first" / source, aside / target)
    assert storage.broken_files(tmp_path / "second") == [name]


def test_only_some_files_of_a_finished_folder_are_asked_for(tmp_path: Path) -> None:
    names = ["a.txt", "b.txt", "none.txt"]
    (tmp_path / "a.txt").write_text("text")
    assert storage.changed_files(tmp_path, names) == [], "no manifest, no claim"
    storage.write_manifest(tmp_path, {"a.txt": storage.sha256_file(tmp_path / "a.txt")})
    assert storage.changed_files(tmp_path, names) == []
    (tmp_path / "b.txt").write_text("not in the manifest")
    assert storage.changed_files(tmp_path, names) == ["b.txt"]
    (tmp_path / storage.MANIFEST).write_text("")
    assert storage.changed_files(tmp_path, names) == ["a.txt", "b.txt"]
