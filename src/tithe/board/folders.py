"""Which folders are runs, suites of selections, or searches for settings: found below one folder, within limits."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tithe.storage import run_files

RUN, SUITE, SEARCH = "run", "suite", "search"
SUITE_FILE, TRIALS = "suite.json", "trials"  # of `select.suite`, which is in a later room
_DEPTH, _ENTRIES, _PLACES = 8, 200_000, 5_000
_TRIAL = re.compile(r".+-[0-9a-f]{12}\.json")
_RUN_FILES = {run_files.DATA_REPORT, run_files.HISTORY, run_files.ENVIRONMENT, run_files.METRICS}


@dataclass
class Found:
    """What was found.

    Attributes
    ----------
    places
        Each folder with its kind, in the order of their paths.
    is_whole
        False if a limit (entries, folders, depth) ended the search.
    """

    places: dict[Path, str] = field(default_factory=dict)
    is_whole: bool = True


def find(root: Path) -> Found:
    """Look for runs, suites and searches in a folder and below it; links and hidden folders are not followed.

    Nothing below one of them is looked at: a run has its checkpoints and its search there.
    """
    found, entries = Found(), 0
    for folder, names, folders in _walk(root, 0, found):
        entries += len(names) + len(folders)
        kind = kind_of(names, folders) or (SUITE if TRIALS in folders and _has_trials(folder / TRIALS) else None)
        if kind:
            found.places[folder] = kind
            folders.clear()
        if entries > _ENTRIES or len(found.places) >= _PLACES:
            found.is_whole = False
            break
    return found


def _walk(folder: Path, depth: int, found: Found) -> Iterator[tuple[Path, set[str], list[str]]]:
    """Yield each folder with the names of its files and its folders; the caller clears those not to be entered."""
    names: set[str] = set()
    folders: list[str] = []
    try:
        with os.scandir(folder) as entries:
            for number, entry in enumerate(entries):
                if number > _ENTRIES:
                    found.is_whole = False
                    break
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.name)
                else:
                    names.add(entry.name)
    except OSError:  # deleted meanwhile, or not ours to read
        return
    folders.sort()
    yield folder, names, folders
    if depth == _DEPTH and folders:
        found.is_whole = False
        return
    for name in folders:
        if not name.startswith("."):
            yield from _walk(folder / name, depth + 1, found)


def kind_of(names: set[str], folders: list[str]) -> str | None:
    """Return what a folder is by the names of its files and its folders; None if it is none of these.

    A config alone does not make a run, since encoders have one, too; one whose files are damaged is still a run.
    """
    if SUITE_FILE in names:
        return SUITE
    if run_files.CONFIG in names and (names & _RUN_FILES or run_files.TUNING_FOLDER in folders):
        return RUN
    if run_files.HISTORY in names and run_files.DATA_REPORT in names:
        return RUN
    return SEARCH if run_files.TUNING in names or run_files.TUNING_FOLDER in folders else None


def _has_trials(folder: Path) -> bool:
    """Say whether there are results of a suite that is not finished."""
    try:
        with os.scandir(folder) as entries:
            return any(_TRIAL.fullmatch(entry.name) for entry in itertools.islice(entries, 100))
    except OSError:
        return False
