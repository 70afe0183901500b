"""The map of a selection: rows of the pool in a plane, with their texts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tithe import storage
from tithe.board.rows import plain, read_object
from tithe.storage import run_files

_MOST = 4000  # points


def read_map(home: Path) -> dict[str, Any]:
    """Return the points that a run has kept of its selection, as columns: x, y, chosen, label, text.

    Raises
    ------
    InputError, OSError, LookupError, TypeError, ValueError
        A file is missing, damaged, or not one that tithe wrote.
    """
    names, points = class_names(home), storage.read_json(home / run_files.SELECTION_POINTS)[:_MOST]
    columns = {
        "x": [float(point["at"][0]) for point in points],
        "y": [float(point["at"][1]) for point in points],
        "chosen": [bool(point["chosen"]) for point in points],
        "label": [names[int(point["label"])] for point in points],
        "text": [str(point["text"]) for point in points],
    }
    named: dict[str, Any] = plain(columns)
    return named


def class_names(home: Path) -> list[str]:
    """Return the classes of a run.

    Raises
    ------
    InputError
        Their file is missing or damaged.
    """
    return [str(name) for name in read_object(home / run_files.LABELS, "names")["names"]]
