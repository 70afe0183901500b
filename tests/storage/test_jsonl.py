"""JSON lines: on disk after each append, and whole after a cut."""

import os
from pathlib import Path

import pytest

from tithe import storage
from tithe.errors import InputError


def test_lines_are_on_disk_after_each_append_and_a_reopened_file_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    for turn in range(2):
        file = storage.JsonLines(path)
        for step in range(2):
            file.append({"turn": turn, "step": step})
            assert storage.read_lines(path)[-1] == {"turn": turn, "step": step}
        file.close()
        file.close()
    assert [(line["turn"], line["step"]) for line in storage.read_lines(path)] == [(0, 0), (0, 1), (1, 0), (1, 1)]


@pytest.mark.parametrize("cut", range(1, 12))
def test_a_cut_last_line_is_left_out(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "history.jsonl"
    storage.write_lines(path, [{"step": 1}, {"слово": 2}])
    os.truncate(path, path.stat().st_size - cut - 1)
    assert storage.read_lines(path) == [{"step": 1}]


def test_a_record_after_a_cut_line_is_not_lost(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    storage.write_lines(path, [{"step": 1}, {"step": 2}])
    os.truncate(path, path.stat().st_size - 4)
    file = storage.JsonLines(path)
    file.append({"step": 3})
    file.close()
    assert storage.read_lines(path) == [{"step": 1}, {"step": 3}]


@pytest.mark.parametrize("text", ["line\nbreak", "a\u2028b", "a\x85b", "a\x0cb", "a\x1eb", "хлеб", "😀"])
def test_any_text_survives_a_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lines.jsonl"
    assert storage.write_lines(path, [{"text": text}, {"n": 2}]) == 2
    assert storage.read_lines(path) == [{"text": text}, {"n": 2}]


def test_no_file_has_no_lines(tmp_path: Path) -> None:
    assert storage.read_lines(tmp_path / "none.jsonl") == []
    assert storage.write_lines(tmp_path / "empty.jsonl", []) == 0
    assert storage.read_lines(tmp_path / "empty.jsonl") == []


@pytest.mark.parametrize("bad", [b"{", b"5", b"[]", b"", b'{"step": 1}}', b'{"step": "\xff"}'])
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_bad_line_before_the_end_is_an_error(tmp_path: Path, bad: bytes, place: int) -> None:
    lines = [b'{"step": 1}', b'{"step": 2}']
    path = tmp_path / "history.jsonl"
    path.write_bytes(b"\n".join([*lines[:place], bad, *lines[place:], b""]))
    with pytest.raises(InputError, match=f"line {place + 1} is not a record"):
        storage.read_lines(path)


def test_an_extent_is_the_beginning_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    storage.write_lines(path, [{"step": 1}])
    file = storage.JsonLines(path)
    file.append({"слово": 2})
    extent = file.extent()
    assert extent == (path.stat().st_size, storage.sha256_file(path)) and storage.begins_with(path, extent)
    file.append({"step": 3})
    file.close()
    assert storage.begins_with(path, extent) and storage.read_lines(path, extent.bytes) == [{"step": 1}, {"слово": 2}]
    content = path.read_bytes()
    for changed in (content[1:], content[: extent.bytes - 1], content.replace(b"1", b"7"), b""):
        path.write_bytes(changed)
        assert not storage.begins_with(path, extent)
    path.unlink()
    assert not storage.begins_with(path, extent) and storage.begins_with(path, storage.Extent(0, ""))
