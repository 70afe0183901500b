"""A file is there whole or not at all, and JSON is read or named."""

from pathlib import Path

import pytest

from support.writes import Stopped, leftovers
from tithe import storage
from tithe.errors import InputError

# ---- atomic files


def test_an_atomic_file_appears_only_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "made" / "on the way" / "file.txt"
    with storage.atomic_file(path) as aside:
        aside.write_text("new")
        assert not path.exists()
        assert aside.parent == path.parent
    assert path.read_text() == "new"
    assert leftovers(tmp_path) == []


def test_a_file_is_on_disk_before_it_is_in_place_and_its_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, synced: list[tuple[int, bool]]
) -> None:
    monkeypatch.chdir(tmp_path)
    storage.write_text(Path("home"), "text")
    assert synced == [(Path("home").stat().st_ino, False), (tmp_path.stat().st_ino, True)]


@pytest.mark.parametrize("old", [None, "old"])
@pytest.mark.parametrize("error", [Stopped, KeyboardInterrupt, OSError])
def test_an_interrupted_file_leaves_the_old_one(tmp_path: Path, old: str | None, error: type[BaseException]) -> None:
    path = tmp_path / "file.txt"
    if old:
        path.write_text(old)
    with pytest.raises(error), storage.atomic_file(path) as aside:
        aside.write_text("half")
        raise error
    assert (path.read_text() if path.exists() else None) == old
    assert leftovers(tmp_path) == []


def test_a_value_that_is_not_json_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    storage.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        storage.write_json(path, {"a": object()})
    assert storage.read_json(path) == {"a": 1}
    assert leftovers(tmp_path) == []


# ---- JSON


@pytest.mark.parametrize("content", [None, b"", b"{", b"\xff\xfe"])
def test_unreadable_json_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "file.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"file\.json"):
        storage.read_json(path)


def test_json_is_written_for_people(tmp_path: Path) -> None:
    storage.write_json(tmp_path / "file.json", {"слово": [1]})
    assert (tmp_path / "file.json").read_text(encoding="utf-8") == '{\n  "слово": [\n    1\n  ]\n}\n'
