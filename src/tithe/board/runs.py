"""What the board says of a run: it may be finished, half-written, damaged, or not one of tithe."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tithe import metrics, storage
from tithe.board.rows import BROKEN, FINISHED, FOREIGN, RUNNING, STOPPED, Problem, Row, read_object, reason
from tithe.compare.effort import Effort, measure_effort
from tithe.compare.runs import RunFiles, title
from tithe.report.words import say
from tithe.storage import freeze_proof, run_files

# A row is read again when one of these changes.
FILES = (
    *(run_files.CONFIG, run_files.DATA_REPORT, run_files.ENVIRONMENT, run_files.HISTORY, run_files.METRICS),
    *(run_files.MANIFEST, freeze_proof.FILE, run_files.REPORT, run_files.SELECTION_SUMMARY, run_files.SELECTION_POINTS),
    *(run_files.TUNING, f"{run_files.TUNING_FOLDER}/journal.log"),
)
_MOST_HISTORY = 64 << 20
_VALIDATION = b'{"kind": "val"'


def read_run(home: Path) -> Row:
    """Return the row of a run directory, whatever is in it."""
    try:
        settings = read_object(home / run_files.CONFIG, "data", "model", "train", "checkpoint", "seed")
    except Exception as error:  # what others have written may fail in any way, and is one row of many
        state = FOREIGN if isinstance(error, Problem) and error.is_foreign else BROKEN
        return Row("run", home.name, state, reason(error))
    name, label = title(home, settings), str(settings.get("name", ""))
    is_running = storage.is_locked(home)
    if not (home / run_files.DATA_REPORT).is_file():
        state, problem = (RUNNING, "") if is_running else (STOPPED, say("it stopped before it trained"))
        return Row("run", name, state, problem, label, has=_has(home))
    try:
        run = _opened(home, name, settings)
        state = RUNNING if is_running else FINISHED if run.metrics else STOPPED
        return Row("run", name, state, "", label, run.settings, _facts(run), _has(home))
    except Exception as error:
        return Row("run", name, BROKEN, reason(error), label, has=_has(home))


def _opened(home: Path, name: str, settings: dict[str, Any]) -> RunFiles:
    """Return a run without what only a comparison needs: each check of the history but of its steps the last alone."""
    metrics_file = home / run_files.METRICS
    return RunFiles(
        home,
        name,
        settings,
        {},
        read_object(home / run_files.DATA_REPORT, "rows_kept", "classes", "splits"),
        list(_ends(home / run_files.HISTORY)),
        read_object(metrics_file, "best_val_score", "test_score", "training") if metrics_file.exists() else None,
        None,
        None,
    )


def _ends(history: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of validations, and the last one of all; what a writer has not ended is left out."""
    if not history.is_file() or history.stat().st_size > _MOST_HISTORY:
        return
    lines = history.read_bytes().split(b"\n")[:-1]
    for number, line in enumerate(lines, start=1):
        if line.startswith(_VALIDATION) or number == len(lines):
            record = json.loads(line)
            if not isinstance(record, dict) or not isinstance(record.get("step"), int) or "kind" not in record:
                raise Problem(say("line {line} of {file} is not a record of a run", line=number, file=history.name))
            yield record


def _facts(run: RunFiles) -> dict[str, Any]:
    effort, training = measure_effort(run), run.metrics["training"] if run.metrics else {}
    last = next((record["batch_loss"] for record in run.history[-1:] if "batch_loss" in record), None)
    return {
        "score": run.score,
        "validation": run.metrics["best_val_score"] if run.metrics else _best_so_far(run.score, run.checks),
        "test": run.metrics["test_score"] if run.metrics else None,
        **_progress(effort),
        "loss": last if last is not None else next((check.get("loss") for check in run.checks[-1:]), None),
        "seconds": training.get("seconds", 0.0) + training.get("preparation_seconds", 0.0) if training else None,
        "rows": run.data["splits"]["train_after_balancing"],
        "freeze": _freeze(run),
        "file": str(run.data.get("file", "")),
        "task": str(run.config.get("task", "")),
    }


def _progress(effort: Effort) -> dict[str, Any]:
    return {"epochs": effort.epochs, "planned": effort.planned, "steps": effort.steps, "early": effort.early}


def _best_so_far(score: str, checks: Sequence[Mapping[str, Any]]) -> float | None:
    best: float | None = None
    for check in checks:
        if score in check and metrics.better(score, check[score], best):
            best = check[score]
    return best


def _freeze(run: RunFiles) -> str | None:
    """Return `none`, `proven`, `unproven` or `broken`, as the run judged itself; None before it has.

    The proof itself has a hash for every tensor: a comparison, and `tithe verify`, look at it.
    """
    if freeze_proof.asked(run.config) == "none":
        return "none"
    if not run.metrics:
        return None
    if not (run.home / freeze_proof.FILE).is_file():
        return "unproven"
    return "proven" if run.metrics.get("freeze", {}).get("holds") else "broken"


def _has(home: Path) -> tuple[str, ...]:
    """Return what there is to look at."""
    files = {
        "curves": run_files.HISTORY,
        "report": run_files.REPORT,
        "map": run_files.SELECTION_POINTS,
        "search": run_files.TUNING,
    }
    return tuple(name for name, file in files.items() if (home / file).is_file())
