"""What runs did, whatever their settings say: optimizer steps, rows seen, early stops, texts cut; and where it differs.

A tenth of the rows for as many epochs is a tenth of the steps: part of any difference is the length of training.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from tithe.compare.runs import RunFiles
from tithe.report.words import Phrase, joined, say

# An epoch's last step may be short, so equal steps may see somewhat fewer rows.
_ROWS_TOLERANCE = 0.1
# Two choices of rows never cut exactly the same share of texts.
_SHARE_TOLERANCE = 0.05


class Effort(NamedTuple):
    """What one run did.

    Attributes
    ----------
    steps, rows
        Optimizer steps taken, and training rows seen by them: each counts once an epoch.
    epochs, planned
        Passes over the training rows: validated, and configured.
    early
        Whether it finished before its configured epochs.
    max_length
        Tokens kept of each text; None if it is not known what that cut.
    cut
        Share of the texts of each part that are longer; empty if unknown.
    """

    steps: int
    rows: int
    epochs: int
    planned: int
    early: bool
    max_length: int | None
    cut: dict[str, float]

    def as_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        cut = {"max_length": self.max_length, **self.cut} if self.cut else None
        return {"steps": self.steps, "rows_seen": self.rows, "stopped_early": self.early, "texts_cut": cut}


def measure_effort(run: RunFiles) -> Effort:
    """Return what a run did, by its history and its report on the data."""
    steps = max((int(record["step"]) for record in run.history if "step" in record), default=0)
    epochs = max((int(record["epoch"]) for record in run.checks), default=0)
    planned = _planned(run)
    tokens = run.data.get("tokens") or {}
    cut = {part: _share(counts) for part, counts in tokens.items() if isinstance(counts, dict) and counts["texts"]}
    early = run.metrics is not None and epochs < planned
    return Effort(steps, _rows_seen(run, steps), epochs, planned, early, tokens.get("max_length"), cut)


def _planned(run: RunFiles) -> int:
    """Return the configured passes over the training rows: more than epochs where these count rows not selected."""
    train, splits = run.config["train"], run.data["splits"]
    epochs, rows = int(train["epochs"]), int(splits["train_after_balancing"])
    full, own = (_steps_per_pass(train, count) for count in (splits.get("train_before_selection", rows), rows))
    return -(-epochs * full // own)


def _steps_per_pass(train: Mapping[str, Any], rows: int) -> int:
    of_step = int(train["batch_size"] * train["accumulation_steps"])
    return max(1, rows // of_step if train["drop_last"] else -(-rows // of_step))


def _share(counts: dict[str, int]) -> float:
    return counts["texts_cut"] / counts["texts"]


def _rows_seen(run: RunFiles, steps: int) -> int:
    """Return how many rows that many steps saw; the last step of an epoch has what is left, or is skipped."""
    train, rows = run.config["train"], int(run.data["splits"]["train_after_balancing"])
    of_step = int(train["batch_size"] * train["accumulation_steps"])
    if train["drop_last"]:
        return steps * of_step
    epochs, rest = divmod(steps, _steps_per_pass(train, rows))
    return epochs * rows + rest * of_step


def steps_differ(name: str, first: Effort, run: Effort) -> Iterator[Phrase]:
    """Yield a caution if a run took more or fewer optimizer steps than the first, whose name is given."""
    if run.steps != first.steps:
        yield say(
            "took {steps:,} {steps:optimizer step|optimizer steps}, {first} {others:,}: part of any difference is the "
            "length of training; set train.epochs so that both take as many steps",
            steps=run.steps,
            first=name,
            others=first.steps,
        )


def rows_differ(name: str, first: Effort, run: Effort) -> Iterator[Phrase]:
    """Yield a caution if a run saw clearly more or fewer rows than the first, repeats included."""
    if abs(run.rows - first.rows) > _ROWS_TOLERANCE * max(run.rows, first.rows):
        yield say(
            "saw {rows:,} {rows:row|rows} in training ({epochs:,} {epochs:epoch|epochs}), {first} {others:,} "
            "({passes:,} {passes:epoch|epochs}): part of any difference is the amount of training",
            rows=run.rows,
            epochs=run.epochs,
            first=name,
            others=first.rows,
            passes=first.epochs,
        )


def early_stops_differ(name: str, first: Effort, run: Effort) -> Iterator[Phrase]:
    """Yield a caution if only one of two runs stopped early."""
    if run.early != first.early:
        yield say(
            "{stop}, {first} {other}: one length was chosen on validation rows, the other was set",
            stop=_stop(run),
            first=name,
            other=_stop(first),
        )


def cuts_differ(name: str, first: Effort, run: Effort) -> Iterator[Phrase]:
    """Yield a caution if the runs cut different shares of their texts; none where a run did not count them."""
    parts = [part for part in run.cut if part in first.cut]
    gaps = [abs(run.cut[part] - first.cut[part]) for part in parts]
    if max(gaps, default=0.0) > (_SHARE_TOLERANCE if run.max_length == first.max_length else 0.0):
        yield say(
            "cut {shares} texts at {limit} tokens; {first} {others} texts at {other_limit}: they did not read the same "
            "texts",
            shares=_shares(run, parts),
            limit=run.max_length,
            first=name,
            others=_shares(first, parts),
            other_limit=first.max_length,
        )


def _stop(effort: Effort) -> Phrase:
    if effort.early:
        return say("stopped early after epoch {epoch} of {planned}", epoch=effort.epochs, planned=effort.planned)
    return say("trained all its {planned:,} {planned:epoch|epochs}", planned=effort.planned)


def _shares(effort: Effort, parts: list[str]) -> Phrase:
    return joined([say("{share:.1f} % of {part}", share=100 * effort.cut[part], part=part) for part in parts])
