"""Comparison of runs: settings that differ, results, significance, and cautions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tithe.compare import cautions, significance
from tithe.compare.effort import Effort, measure_effort
from tithe.compare.runs import RunFiles, read_runs
from tithe.compare.stability import Overfitting, Stability, measure_overfitting, measure_stability
from tithe.config.own_names import native_keys
from tithe.errors import InputError, did_you_mean
from tithe.report.words import SaidError, say
from tithe.storage import freeze_proof

NO_EFFECT = "no effect"


@dataclass(frozen=True)
class Compared:
    """One run compared with the first one.

    Attributes
    ----------
    differing
        Its settings that differ from the first run's, by dotted key.
    effort
        What it did: optimizer steps, rows seen, texts cut.
    stability, overfitting
        None if the history is too short.
    difference
        Its test score minus the first run's, in the first run's metric; None if the test rows are not the same.
    """

    files: RunFiles
    differing: dict[str, Any]
    effort: Effort
    stability: Stability | None
    overfitting: Overfitting | None
    difference: significance.Difference | None

    @property
    def training(self) -> Mapping[str, Any]:
        """The `training` section of the run's metrics; empty for an unfinished run."""
        return self.files.metrics["training"] if self.files.metrics else {}

    @property
    def seconds(self) -> float | None:
        """Seconds from the start to the last step."""
        if not self.training:
            return None
        return float(self.training["seconds"] + self.training.get("preparation_seconds", 0.0))

    @property
    def seconds_per_epoch(self) -> float | None:
        """Seconds of an epoch of training, including its validation."""
        epochs = self.training.get("epochs")
        return float(self.training["seconds"] / epochs) if epochs else None

    @property
    def best_epoch(self) -> int | None:
        """The epoch with the best validation score, counted from 1."""
        return self.files.metrics["best"]["epoch"] if self.files.metrics else None

    def score(self, name: str) -> float | None:
        """Return `best_val_score` or `test_score`; None if the run is unfinished or held out no rows."""
        value = self.files.metrics[name] if self.files.metrics else None
        return None if value is None else float(value)

    @property
    def interval(self) -> list[float] | None:
        """The 95 % interval of the test score; None if the metrics have none."""
        test = self.files.metrics.get("test", {}) if self.files.metrics else {}
        interval: list[float] | None = test.get("interval_95", {}).get(self.files.score)
        return interval

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
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
            "epochs": self.effort.epochs,
            **self.effort.as_json(),
            "best_epoch": self.best_epoch,
            "seconds": self.seconds,
            "seconds_per_epoch": self.seconds_per_epoch,
            "parameters_trained": self.training.get("parameters_trained"),
            "stability": self.stability._asdict() if self.stability else None,
            "overfitting": self.overfitting.rise if self.overfitting else None,
            "freeze": {
                "asked": freeze_proof.asked(files.config),
                "verdict": proof.get("verdict"),
                "holds": proof.get("holds"),
            },
            "difference_to_first": _difference_as_json(self.difference),
        }


@dataclass(frozen=True)
class Comparison:
    """Several runs compared; the first is the baseline.

    Attributes
    ----------
    factors
        For every setting that differs, its value in each run; `NO_EFFECT` where a run does not use it.
    columns
        The same for settings that were asked for, whether they differ or not.
    notes
        Cautions, the most serious first.
    """

    runs: tuple[Compared, ...]
    factors: dict[str, list[Any]]
    columns: dict[str, list[Any]]
    notes: tuple[cautions.Note, ...]

    @property
    def settings(self) -> dict[str, list[Any]]:
        """The settings that were asked for, then those that differ; none under two names."""
        asked = {native for key in self.columns for native in native_keys(key)}
        return self.columns | {key: values for key, values in self.factors.items() if key not in asked}

    def as_json(self) -> dict[str, Any]:
        """Return everything as JSON values."""
        return {
            "runs": [run.as_json() for run in self.runs],
            "factors": self.factors,
            "columns": self.columns,
            "notes": [{"kind": note.kind, "text": note.text, "runs": list(note.runs)} for note in self.notes],
        }


def compare_runs(paths: Sequence[Path], columns: Sequence[str] = ()) -> Comparison:
    """Compare runs with the first of them.

    Parameters
    ----------
    paths
        Run directories, and folders that contain some; a run given twice counts once.
    columns
        Keys of settings to show even if they are the same in all runs: native ones, or of a documented format.

    Raises
    ------
    InputError
        A path has no run, there are fewer than two, or no run has a setting of that key.
    """
    runs = read_runs(paths)
    if len(runs) < 2:
        count = say("only one run ({home})", home=runs[0].home) if runs else say("no run")
        raise SaidError(say("{count}: pass two or more run directories, or a folder that contains them", count=count))
    compared = tuple(_compared(runs[0], files) for files in runs)
    facts = [
        cautions.RunFacts(c.files, list(c.differing), c.effort, c.overfitting, c.difference, runs) for c in compared
    ]
    return Comparison(compared, _factors(runs), _columns(runs, columns), tuple(cautions.notes(facts)))


def _compared(first: RunFiles, files: RunFiles) -> Compared:
    return Compared(
        files,
        _differing(first.settings, files.settings),
        measure_effort(files),
        measure_stability([record["batch_loss"] for record in files.steps], len(files.data["classes"])),
        measure_overfitting([record["loss"] for record in files.checks]),
        None if files is first else _difference(first, files),
    )


def _differing(first: Mapping[str, Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that both runs use, with different values; any others follow from one of these."""
    return {key: value for key, value in settings.items() if key in first and value != first[key]}


def _factors(runs: Sequence[RunFiles]) -> dict[str, list[Any]]:
    settings = [files.settings for files in runs]
    keys = dict.fromkeys(key for run in settings for key in run)
    present = {key: [run[key] for run in settings if key in run] for key in keys}
    differ = [key for key, values in present.items() if any(value != values[0] for value in values)]
    return {key: [run.get(key, NO_EFFECT) for run in settings] for key in differ}


def _columns(runs: Sequence[RunFiles], keys: Sequence[str]) -> dict[str, list[Any]]:
    known = dict.fromkeys(key for run in runs for key in run.keys)
    columns = {}
    for key in keys:
        native = next((name for name in (key, *native_keys(key)) if name in known), None)
        if native is None:
            raise InputError(f"no run has a setting '{key}'{did_you_mean(key, known)}")
        columns[key] = [run.value(native) for run in runs]
    return columns


def _difference(first: RunFiles, files: RunFiles) -> significance.Difference | None:
    """Compare predictions of the same test rows; None if rows or labels differ."""
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
        significance.Predictions(one_N, one["probability_of_label"]),
        significance.Predictions(other_N, other["probability_of_label"]),
    )


def _difference_as_json(difference: significance.Difference | None) -> dict[str, Any] | None:
    if difference is None:
        return None
    interval = [difference.low, difference.high]
    return {"score": difference.value, "interval_95": interval, "beyond_chance": difference.beyond_chance}
