"""What a selection is judged against: as many random rows, and all rows, on the same data and seed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from tithe import plugins
from tithe.compare.runs import RunFiles
from tithe.report.words import Phrase, say

ALL, RANDOM = "all", "random"


def lacks_random(run: RunFiles, runs: Sequence[RunFiles]) -> Iterator[Phrase]:
    """Yield a caution about a selection that has no random rows of its budget and seed beside it."""
    selection = _selection(run)
    if not selection or _strategy(run) == RANDOM:
        return
    budget, seed = selection["budget"], run.config["seed"]

    def is_control(other: RunFiles) -> bool:
        return _strategy(other) == RANDOM and bool((_selection(other) or {}).get("budget") == budget)

    if not _beside(run, runs, is_control):
        yield say(
            "no run on random rows of the same budget ({budget:g}) and seed ({seed}) beside it: the strategy is not "
            "proven better than chance; train it: {command}",
            budget=budget,
            seed=seed,
            command=_command(selection, RANDOM),
        )


def lacks_all(run: RunFiles, runs: Sequence[RunFiles]) -> Iterator[Phrase]:
    """Yield a caution about a selection that has no run on all rows beside it."""
    selection = _selection(run)
    if selection and not _beside(run, runs, lambda other: _selection(other) is None):
        yield say(
            "no run on all rows with the same seed ({seed}) beside it: what the selection loses is unknown; train it: "
            "{command}",
            seed=run.config["seed"],
            command=_command(selection, ALL),
        )


def _beside(run: RunFiles, runs: Sequence[RunFiles], is_control: Callable[[RunFiles], bool]) -> bool:
    """Say whether a finished run on the same data and seed is such a control."""
    return any(
        other.metrics is not None
        and other.content == run.content
        and other.config["seed"] == run.config["seed"]
        and is_control(other)
        for other in runs
    )


def _selection(run: RunFiles) -> dict[str, Any] | None:
    """Return a run's settings of the selection; None if it trains on all rows."""
    selection: dict[str, Any] | None = run.config.get("select")
    return selection if selection and selection["strategy"] != ALL else None


def _strategy(run: RunFiles) -> str:
    return plugins.short_name((_selection(run) or {"strategy": ALL})["strategy"])


def _command(selection: dict[str, Any], strategy: str) -> str:
    """Return the command that trains a control with the config of the selection, less what only its strategy takes."""
    extra = [f"--set select.strategy={strategy}"]
    extra += ["--set select.options={}"] if selection["options"] else []
    extra += ["--set select.rounds=1"] if selection["rounds"] > 1 else []
    return f"tithe train CONFIG {' '.join(extra)} --out DIR"
