"""The points of a run's curves, read from its history as it grows."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from tithe.board.rows import plain
from tithe.storage import run_files

_MOST_BYTES = 4 << 20  # of one answer; a longer history takes several
_TRAIN, _CHECK = "train", "val"
# What is drawn of each record. A learning rate for each group of parameters: the first is that of the head.
_COLUMNS = {
    _TRAIN: {"step": "step", "epoch": "epoch", "loss": "batch_loss", "learning_rate": "lr_0"},
    _CHECK: {"step": "step", "epoch": "epoch", "loss": "loss", "accuracy": "accuracy", "f1": "f1"},
}


def read_points(home: Path, file: str, start: int) -> dict[str, Any]:
    """Return the records of a history from a place on, as columns.

    Parameters
    ----------
    file, start
        The `file` and the `next` of the last answer, to go on from there; nothing and 0 for the beginning.

    Returns
    -------
    `train` and `val` with a list for each column; `file` and `next` for the next call; `is_new`, whether the points
    are those of another file, so that earlier ones are no longer true; `more`, whether there are more right now.

    Raises
    ------
    OSError
        There is no history.
    """
    with (home / run_files.HISTORY).open("rb") as lines:
        stat = os.fstat(lines.fileno())
        current = str(stat.st_ino)
        if file != current or not 0 <= start <= stat.st_size:  # a resumed run rewrites its history
            start = 0
        lines.seek(start)
        content = lines.read(_MOST_BYTES)
    whole = content[: content.rfind(b"\n") + 1]
    is_full = len(content) == _MOST_BYTES
    end = start + (len(whole) or (len(content) if is_full else 0))  # no record is as long as that
    columns: dict[str, dict[str, list[Any]]] = {kind: {name: [] for name in names} for kind, names in _COLUMNS.items()}
    for line in whole.split(b"\n"):
        _add(columns, line)
    return {**columns, "file": current, "next": end, "is_new": start == 0, "more": is_full and end < stat.st_size}


def _add(columns: dict[str, dict[str, list[Any]]], line: bytes) -> None:
    """Add a record; a line that is not one is left out, since the row of the run says so."""
    try:
        record = json.loads(line)
        names = _COLUMNS[record["kind"]]
        values = {name: plain(_number(record.get(key))) for name, key in names.items()}
    except (ValueError, KeyError, TypeError, RecursionError):
        return
    if values["step"] is not None:
        for name, value in values.items():
            columns[record["kind"]][name].append(value)


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
