"""The points of curves: a history that grows, is half-written, begins anew, or has what is no record."""

from __future__ import annotations

from pathlib import Path

import pytest

from support.boards import add, step
from tithe.board import points
from tithe.board.points import read_points

CHECK = b'{"kind": "val", "step": 2, "epoch": 1, "loss": 0.4, "accuracy": 0.5, "f1": NaN}\n'


def test_a_history_that_grows(tmp_path: Path) -> None:
    add(tmp_path, step(1, 0.9) + CHECK + step(2, 0.8)[:20])
    first = read_points(tmp_path, "", 0)
    assert first["train"] == {"step": [1], "epoch": [1], "loss": [0.9], "learning_rate": [0.1]}
    assert first["val"] == {"step": [2], "epoch": [1], "loss": [0.4], "accuracy": [0.5], "f1": [None]}
    assert first["is_new"] and not first["more"]
    assert read_points(tmp_path, first["file"], first["next"])["train"]["step"] == []
    add(tmp_path, step(2, 0.8)[20:] + step(3, 0.7))
    second = read_points(tmp_path, first["file"], first["next"])
    assert second["train"]["step"] == [2, 3] and not second["is_new"]
    # A resumed run replaces the file; a file of fewer bytes than were read is not the one that was read.
    (tmp_path / "new").write_bytes(step(1, 0.6) * 9)
    (tmp_path / "new").replace(tmp_path / "history.jsonl")
    again = read_points(tmp_path, second["file"], second["next"])
    assert again["is_new"] and again["train"]["loss"] == [0.6] * 9
    (tmp_path / "history.jsonl").write_bytes(step(5))
    assert read_points(tmp_path, again["file"], again["next"])["train"]["step"] == [5]


def test_a_long_history_comes_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(points, "_MOST_BYTES", 200)
    add(tmp_path, b"".join(step(number) for number in range(20)) + b"x" * 500 + b"\n" + step(20))
    file, start, steps, more = "", 0, [], True
    while more:
        part = read_points(tmp_path, file, start)
        file, start, more = part["file"], part["next"], part["more"]
        steps += part["train"]["step"]
    assert steps == list(range(21))


NO_RECORDS = [
    *(b"\xff", b"[]", b"7", b'{"kind": "what", "step": 1}', b'{"kind": [], "step": 1}', b"[" * 9999),
    *(b'{"kind": "train", "step": "<b>"}', b'{"kind": "train", "step": true}'),
]


@pytest.mark.parametrize("line", NO_RECORDS)
def test_what_is_no_record_is_left_out(line: bytes, tmp_path: Path) -> None:
    add(tmp_path, line + b"\n" + step(4))
    assert read_points(tmp_path, "", 0)["train"]["step"] == [4]
