"""One row of the board: what a folder is, its state, its settings and its results."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.errors import InputError
from tithe.report import words
from tithe.report.words import Phrase, SaidError, say

# States. A running one is locked by the process that writes it; a stopped one can be continued.
RUNNING, FINISHED, STOPPED, BROKEN, FOREIGN = "running", "finished", "stopped", "broken", "foreign"
_MOST_BYTES = 32 << 20  # of a JSON file: a run writes none of this size
_LONGEST = 300


@dataclass(frozen=True)
class Row:
    """What the table shows of one folder.

    Attributes
    ----------
    state
        `running`, `finished`, `stopped`, `broken` (a file is missing or damaged) or `foreign` (not one of tithe).
    problem
        One line of what is wrong; empty if nothing is.
    label
        The name in the config, which a student chose.
    settings
        Those that can change results, by dotted key.
    facts
        Results: numbers, and words such as the name of the score.
    has
        What there is to look at: `curves`, `report`, `map`, `pictures`.
    """

    kind: str
    name: str
    state: str
    problem: str | Phrase = ""
    label: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    has: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values: numbers that JSON lacks as None, the problem by language."""
        value: dict[str, Any] = plain({**vars(self), "problem": words.both(self.problem)})
        return value


def plain(value: Any) -> Any:
    """Return a JSON value with None in place of NaN and infinities, which a browser can't read; long texts are cut."""
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str) and len(value) > _LONGEST:
        return f"{value[:_LONGEST]}…"
    return value


def read_object(path: Path, *keys: str) -> dict[str, Any]:
    """Return the object in a JSON file, which has these keys at least.

    Raises
    ------
    Problem
        It is missing, too large, damaged, or another kind of file.
    """
    if not path.is_file():
        raise Problem(say("there is no {file}", file=path.name))
    if path.stat().st_size > _MOST_BYTES:
        raise Problem(say("{file} is too large", file=path.name))
    try:
        value = storage.read_json(path)
    except InputError:
        raise Problem(say("{file} is damaged", file=path.name)) from None
    if not isinstance(value, dict) or not value.keys() >= set(keys):
        raise Problem(say("{file} is not one that tithe wrote", file=path.name), is_foreign=True)
    return value


class Problem(SaidError):
    """Why a folder can't be shown, in both languages; `is_foreign` where something else than tithe wrote it."""

    def __init__(self, phrase: Phrase, is_foreign: bool = False) -> None:
        super().__init__(phrase)
        self.is_foreign = is_foreign


def reason(error: Exception) -> Phrase:
    """Return why a folder can't be read, in one line; anything may be in the files of others."""
    line = words.reason(error)
    if isinstance(line, Phrase):
        return line
    return say(
        "can't be read ({problem})",
        problem=line if isinstance(error, InputError) else f"{type(error).__name__}: {line}",
    )
