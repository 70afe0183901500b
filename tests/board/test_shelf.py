"""Rows are read again where a file changed, and nowhere else; a client gets what is new to it."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.boards import add, copied, step
from tithe import storage
from tithe.board import folders, shelf
from tithe.board.shelf import Shelf


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the runs that are read, in order."""
    names: list[str] = []
    read, files = shelf._READERS[folders.RUN]
    monkeypatch.setitem(shelf._READERS, folders.RUN, (lambda home: (names.append(home.name), read(home))[1], files))
    return names


def test_changes_and_what_a_client_has_seen(trained: Path, tmp_path: Path, reads: list[str]) -> None:
    homes = {name: copied(trained, tmp_path / name) for name in ("a", "b")}
    board = Shelf(tmp_path)
    assert not board.since("").is_ready
    board.scan()
    first = board.since("")
    assert [row["folder"] for row in first.rows] == ["a", "b"] and first.is_all and first.is_ready and first.is_whole
    assert board.since(first.version).rows == [] and reads == ["a", "b"]
    board.scan()
    assert reads == ["a", "b"] and board.version == first.version
    add(homes["b"], step(99))
    copied(trained, tmp_path / "c")
    board.scan()
    second = board.since(first.version)
    assert [row["folder"] for row in second.rows] == ["b", "c"] and not second.is_all and reads[2:] == ["b", "c"]
    shutil.rmtree(homes["a"])
    board.scan()
    [gone] = board.since(second.version).rows
    assert gone == {"id": first.rows[0]["id"], "gone": True} and board.home(gone["id"]) is None
    assert board.home(first.rows[1]["id"]) == homes["b"] and board.home("../../etc") is None
    copied(trained, tmp_path / "a")
    board.scan()
    assert [row["folder"] for row in board.rows] == ["a", "b", "c"]


@pytest.mark.parametrize("version", ["", "x", "0-5", "-", "\u0663-\u0663"])
def test_a_version_of_another_process_brings_all(version: str, trained: Path, tmp_path: Path) -> None:
    copied(trained, tmp_path / "a")
    board = Shelf(tmp_path)
    board.scan()
    assert board.since(version).is_all and len(board.since(version).rows) == 1
    assert not board.since(board.version).is_all


def test_a_run_under_way_is_looked_at_alone(trained: Path, tmp_path: Path, reads: list[str]) -> None:
    home, _ = copied(trained, tmp_path / "a"), copied(trained, tmp_path / "b")
    board = Shelf(tmp_path)
    with storage.locked(home):
        board.scan()
        reads.clear()
        add(home, step(99))
        board.scan_running()
        assert reads == ["a"]
        [row] = [row for row in board.rows if row["state"] == "running"]
        assert row["facts"]["steps"] == 99
    board.scan_running()
    assert {row["state"] for row in board.rows} == {"finished"}


def waited(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_it_is_followed_while_somebody_looks(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shelf, "_LIVE", 0.01)
    monkeypatch.setattr(shelf, "_ALL", 0.01)
    board = Shelf(tmp_path)
    thread = threading.Thread(target=board.follow)
    thread.start()
    try:
        waited(lambda: board.since("").is_ready)
        time.sleep(0.1)  # it waits for somebody who looks
        copied(trained, tmp_path / "a")
        time.sleep(0.1)
        assert board.rows == []
        with board.viewed():
            waited(lambda: bool(board.rows))
        assert [row["folder"] for row in board.rows] == ["a"]
    finally:
        board.stop()
        thread.join(20)
    assert not thread.is_alive()
