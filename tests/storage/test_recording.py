"""What a manifest says is taken when a file is written: a later change does not become its content."""

from __future__ import annotations

from pathlib import Path

from tithe import storage


def test_a_hash_is_that_of_what_was_written(tmp_path: Path) -> None:
    (tmp_path / "before.txt").write_text("there already")
    with storage.recording(tmp_path, {"earlier.txt": "abc"}) as hashes:
        storage.write_text(tmp_path / "a.txt", "first")
        storage.write_text(tmp_path / "a.txt", "text")
        (tmp_path / "a.txt").write_text("changed since")
        storage.copy_file(tmp_path / "before.txt", tmp_path / "sub/copy.txt")
        assert storage.recorded(tmp_path) is hashes
    (tmp_path / "expected").write_text("text")
    expected = {"a.txt": tmp_path / "expected", "sub/copy.txt": tmp_path / "before.txt"}
    assert hashes == {"earlier.txt": "abc"} | {name: storage.sha256_file(path) for name, path in expected.items()}
    storage.write_text(tmp_path / "later.txt", "text")
    assert "later.txt" not in hashes and storage.recorded(tmp_path) == {}


def test_a_file_belongs_to_the_innermost_folder(tmp_path: Path) -> None:
    with storage.recording(tmp_path) as outer, storage.recording(tmp_path / "sub") as inner:
        storage.write_text(tmp_path / "a.txt", "text")
        storage.write_text(tmp_path / "sub/b.txt", "text")
    assert (outer.keys(), inner.keys()) == ({"a.txt"}, {"b.txt"})


def test_appended_lines_are_hashed_as_they_are_written(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    with storage.recording(tmp_path) as hashes:
        lines = storage.JsonLines(path)
        lines.append({"step": 1})
        written = storage.sha256_file(path)
        path.write_text('{"step": 2}\n')
        lines.close()
    assert hashes == {"history.jsonl": written}
