"""The journal of a search: what was appended is read back, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from support.searches import search, tuned, untimed
from tithe.errors import InputError
from tithe.tune.journal import Journal

LOGS = [{"op_code": 0, "worker_id": "a", "user_attr": {"x": 0.1}}, {"op_code": 1, "да": None}, {"op_code": 2}]
Edit = Callable[[list[str]], list[str]]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    journal = Journal(tmp_path / "journal.log", FileLock(tmp_path / "journal.lock"))
    journal.append_logs(LOGS[:2])
    journal.append_logs(LOGS[2:])
    return journal


def test_what_was_appended_is_read_back(journal: Journal, tmp_path: Path) -> None:
    assert journal.read_logs(0) == LOGS and journal.read_logs(2) == LOGS[2:]
    with (tmp_path / "journal.log").open("a") as file:
        file.write('{"op_code":')  # another process is writing, or was killed
    assert journal.read_logs(0) == LOGS
    again = Journal(tmp_path / "journal.log", FileLock(tmp_path / "journal.lock"))
    again.append_logs([{"op_code": 3}])
    assert again.read_logs(0) == [*LOGS, {"op_code": 3}]


EDITS: dict[str, tuple[Edit, int]] = {
    "a number": (lambda lines: [lines[0].replace("0.1", "0.2"), *lines[1:]], 1),
    "a line left out": (lambda lines: [lines[0], lines[2]], 2),
    "two lines exchanged": (lambda lines: [lines[1], lines[0], lines[2]], 1),
    "a line twice": (lambda lines: [*lines, lines[2]], 4),
    "a line without a hash": (lambda lines: [*lines, '{"op_code": 3}\n'], 4),
    "no JSON": (lambda lines: [lines[0], "{\n", *lines[2:]], 2),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_line_is_named(edit: str, journal: Journal, tmp_path: Path) -> None:
    change, line = EDITS[edit]
    path = tmp_path / "journal.log"
    path.write_text("".join(change(path.read_text().splitlines(keepends=True))))
    with pytest.raises(InputError, match=f"line {line}\\b") as error:
        journal.read_logs(0)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_an_edited_result_does_not_become_the_best(settings: Callable[..., dict[str, Any]], tmp_path: Path) -> None:
    pytest.importorskip("optuna", reason="the extra tithe[tune] is not installed")
    run = tuned(settings, trials=2)
    first = search(run, tmp_path)
    assert untimed(search(run, tmp_path)) == untimed(first)
    path, loss = tmp_path / "tuning/journal.log", first.summary["trials"][1]["val_loss"]
    assert str(loss) in path.read_text()
    path.write_text(path.read_text().replace(str(loss), "0.0001"))
    with pytest.raises(InputError, match="was edited or damaged"):
        search(run, tmp_path)
