"""Honest comparison of runs: what differs, what came out, and what speaks against reading anything into it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe.compare import cautions, significance
from tithe.compare.runs import RunFiles, read_runs
from tithe.compare.stability import Overfitting, Stability, measure_overfitting, measure_stability
from tithe.errors import InputError

NO_EFFECT = "no effect"


@dataclass(frozen=True)
class Compared:
    """One run beside the first one.

    Attributes
    ----------
    differing
        Its settings that differ from the first run's, by their dotted keys.
    stability, overfitting
        None where the history is too short to judge.
    difference
        Its test score less the first run's, by the first run's score; None where they were not tested on the same rows.
    """

    files: RunFiles
    differing: dict[str, Any]
    stability: Stability | None
    overfitting: Overfitting | None
    difference: significance.Difference | None

    @property
    def training(self) -> Mapping[str, Any]:
        """What the run's metrics say of its training; empty for a run that is not finished."""
        return self.files.metrics["training"] if self.files.metrics else {}

    @property
    def seconds(self) -> float | None:
        """How long it took from the start to the last step, in seconds."""
        if not self.training:
            return None
        return float(self.training["seconds"] + self.training.get("preparation_seconds", 0.0))

    @property
    def seconds_per_epoch(self) -> float | None:
        """How long an epoch of training took, its validation included."""
        epochs = self.training.get("epochs")
        return float(self.training["seconds"] / epochs) if epochs else None

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best validation score, counted from 1."""
        return self.files.metrics["best"]["epoch"] if self.files.metrics else None

    def score(self, name: str) -> float | None:
        """Return `best_val_score` or `test_score`; None for a run that is not finished, or held no rows out."""
        value = self.files.metrics[name] if self.files.metrics else None
        return None if value is None else float(value)

    @property
    def interval(self) -> list[float] | None:
        """The 95 % interval of the test score, where the metrics have one."""
        test = self.files.metrics.get("test", {}) if self.files.metrics else {}
        found: list[float] | None = test.get("interval_95", {}).get(self.files.score)
        return found

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        files, proof = self.files, self.files.proof or {}
        return {
            "home": str(files.home),
            "name": files.name,
            "finished": files.metrics is not None,
            "config_differences": self.differing,
            "score": files.score,
            "best_val_score": self.score("best_val_score"),
            "test_score": self.score("test_score"),
            "test_interval_95": self.interval,
            "epochs": len(files.checks),
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "seconds_per_epoch": self.seconds_per_epoch,
            "parameters_trained": self.training.get("parameters_trained"),
            "stability": self.stability._asdict() if self.stability else None,
            "overfitting": self.overfitting.rise if self.overfitting else None,
            "freeze": {
                "asked": files.config["model"]["freeze"],
                "verdict": proof.get("verdict"),
                "holds": proof.get("holds"),
            },
            "difference_to_first": _difference_as_json(self.difference),
        }


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other; the first is the baseline.

    Attributes
    ----------
    factors
        A value for each run of every setting that differs between some of them; `NO_EFFECT` where a run has no use
        for it.
    notes
        What to heed, the gravest first.
    """

    runs: tuple[Compared, ...]
    factors: dict[str, list[Any]]
    notes: tuple[cautions.Note, ...]

    def as_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "factors": self.factors,
            "notes": [{"kind": note.kind, "text": note.text, "runs": list(note.runs)} for note in self.notes],
        }


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Compare runs with the first of them.

    Parameters
    ----------
    paths
        Run directories, and folders that hold some; a run that is named twice counts once.

    Raises
    ------
    InputError
        A path has no run, or there are fewer than two.
    """
    found = read_runs(paths)
    if len(found) < 2:
        only = f"one run only ({found[0].home})" if found else "no run"
        raise InputError(f"{only}: name two or more run directories, or a folder that holds them")
    first = found[0]
    compared = tuple(_compared(first, files) for files in found)
    judged = [cautions.Judged(c.files, list(c.differing), c.overfitting, c.difference) for c in compared]
    return Comparison(compared, _factors(found), tuple(cautions.notes(judged)))


def _compared(first: RunFiles, files: RunFiles) -> Compared:
    return Compared(
        files,
        _differing(first.settings, files.settings),
        measure_stability([record["batch_loss"] for record in files.steps], len(files.data["classes"])),
        measure_overfitting([record["loss"] for record in files.checks]),
        None if files is first else _difference(first, files),
    )


def _differing(first: Mapping[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    """What has an effect in both runs, and another value; the rest follows from a setting that is named anyway."""
    return {key: value for key, value in own.items() if key in first and value != first[key]}


def _factors(found: Sequence[RunFiles]) -> dict[str, list[Any]]:
    settings = [files.settings for files in found]
    keys = dict.fromkeys(key for own in settings for key in own)
    present = {key: [own[key] for own in settings if key in own] for key in keys}
    differ = [key for key, values in present.items() if any(value != values[0] for value in values)]
    return {key: [own.get(key, NO_EFFECT) for own in settings] for key in differ}


def _difference(first: RunFiles, files: RunFiles) -> significance.Difference | None:
    """Judge the answers to the same test rows; other rows, or other labels of theirs, can't be judged."""
    one, other = first.predictions, files.predictions
    if not (one and other and first.metrics and files.metrics):
        return None
    if not all(np.array_equal(one[column], other[column]) for column in ("row", "label")):
        return None
    texts = np.concatenate([one["label"], one["predicted"], other["predicted"]]).astype(str)
    label_N, one_N, other_N = np.split(np.unique(texts, return_inverse=True)[1], 3)
    return significance.difference(
        first.score,
        label_N,
        significance.Answers(one_N, one["probability_of_label"]),
        significance.Answers(other_N, other["probability_of_label"]),
    )


def _difference_as_json(found: significance.Difference | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {"score": found.value, "interval_95": [found.low, found.high], "beyond_chance": found.beyond_chance}
