"""What the board says of a suite of selections, and of a search for settings; either may be under way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe import storage
from tithe.board.folders import SUITE_FILE, TRIALS
from tithe.board.rows import BROKEN, FINISHED, RUNNING, STOPPED, Row, read_object, reason
from tithe.storage import run_files

SUITE_PAGE = "suite.html"
JOURNAL = f"{run_files.TUNING_FOLDER}/journal.log"  # of Optuna
SUITE_FILES = (SUITE_FILE, TRIALS, SUITE_PAGE)
SEARCH_FILES = (run_files.TUNING, JOURNAL)
_SET_STATE, _ENDED = 6, (1, 2)  # an operation of the journal; states of a trial that is finished, or was pruned
_RANDOM = "random"


def read_suite(home: Path) -> Row:
    """Return the row of a suite: how many trials are done, and the best strategy beside random rows."""
    try:
        trials = sum(file.suffix == ".json" for file in (home / TRIALS).iterdir()) if (home / TRIALS).is_dir() else 0
        is_done, is_running = (home / SUITE_FILE).is_file(), storage.is_locked(home)
        state = RUNNING if is_running else FINISHED if is_done else STOPPED
        standings = read_object(home / SUITE_FILE, "standings")["standings"] if is_done else []
        has = ("report",) if (home / SUITE_PAGE).is_file() else ()
        return Row("suite", home.name, state, facts={"trials": trials, **_best(standings)}, has=has)
    except Exception as error:  # as in `runs.read_run`
        return Row("suite", home.name, BROKEN, reason(error))


def _best(standings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the strategy with the highest accuracy of those that choose, and that of as many random rows."""
    chosen = [line for line in standings if line["strategy"] not in ("all", _RANDOM)]
    if not chosen:
        return {}
    best = max(chosen, key=lambda line: float(line["accuracy"]["mean"]))
    random = [line for line in standings if line["strategy"] == _RANDOM and line["budget"] == best["budget"]]
    return {
        "score": "accuracy",
        "test": best["accuracy"]["mean"],
        "strategy": best["strategy"],
        "random": random[0]["accuracy"]["mean"] if random else None,
        "share_of_all": best.get("share_of_all"),
    }


def read_search(home: Path) -> Row:
    """Return the row of a search: how many trials are done, and the best one's result and settings."""
    try:
        file, journal = home / run_files.TUNING, home / JOURNAL
        if not file.is_file():
            state = RUNNING if storage.is_locked(home, shared=True) else STOPPED
            return Row("search", home.name, state, facts={"trials": _ended(journal)})
        result = read_object(file, "tune", "best", "trials")
        metric, best = result["tune"]["metric"], result["best"]
        facts = {
            "trials": len(result["trials"]), "planned": result["tune"]["trials"], "seconds": result.get("seconds"),
            "score": metric.removeprefix("val_"), "validation": best.get(metric),
        }  # fmt: skip
        settings = dict(storage.flatten(best["values"]))
        return Row("search", home.name, FINISHED, settings=settings, facts=facts)
    except Exception as error:  # as in `runs.read_run`
        return Row("search", home.name, BROKEN, reason(error))


def _ended(journal: Path) -> int:
    """Return how many trials of a search are done."""
    return sum(
        line.get("op_code") == _SET_STATE and line.get("state") in _ENDED for line in storage.read_lines(journal)
    )
