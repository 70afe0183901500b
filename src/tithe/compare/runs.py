"""Read run directories, finished or not: their settings, data and results."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tithe import config, storage
from tithe.arrays import Array
from tithe.config import unused
from tithe.config.schema import AUTO
from tithe.errors import InputError
from tithe.report import words
from tithe.report.words import SaidError, say
from tithe.storage import freeze_proof, run_files

# A strategy that is not part of tithe counts by its code, wherever its file is.
_STRATEGY = (
    *("strategy", "strategy_sha256", "strategy_version", "first_sha256", "first_version"),
    *("scores_sha256", "embeddings_sha256", "language_model_sha256"),
)
_PREDICTIONS = "test/predictions.parquet"
_COLUMNS = ("row", "label", "predicted", "probability_of_label")
_FILES = (
    *(run_files.CONFIG, run_files.ENVIRONMENT, run_files.DATA_REPORT, run_files.HISTORY, run_files.METRICS),
    *(run_files.SELECTION_SUMMARY, freeze_proof.FILE, _PREDICTIONS),
)
_TIME = re.compile(r"\d{8}-\d{6}(-\d+)?")  # as in the names of new run directories
_CURE = "pass run directories, or a folder of them"

# Settings that do not change results: names, paths, speed, logging. Data are compared by content instead.
_IGNORED = {
    *("name", "out", "data.path", "data.reader", "data.label_mapping", "data.num_workers"),
    *("data.validation", "data.test", "data.delimiter", "data.encoding", "data.column_names"),
    *("train.log_every_steps", "train.device", "train.cache_features"),
}
_IGNORED_SECTIONS = ("checkpoint.", "track.")
_BEST_BY = "checkpoint.best_by"


@dataclass(frozen=True)
class RunFiles:
    """The content of one run directory.

    Attributes
    ----------
    name
        Unique among the runs: the name of its folder or, if that is a time, the name in its config; longer if needed.
    metrics, proof, predictions
        None if the run has none: it is unfinished, froze nothing, or held out no rows. Predictions are columns of
        test rows, sorted by `row`.
    """

    home: Path
    name: str
    config: dict[str, Any]
    environment: dict[str, Any]
    data: dict[str, Any]
    history: list[dict[str, Any]]
    metrics: dict[str, Any] | None
    proof: dict[str, Any] | None
    predictions: dict[str, Array] | None

    @property
    def score(self) -> str:
        """The validation score that selects the best epoch."""
        return str(self.config["checkpoint"]["best_by"])

    @property
    def resampled_score(self) -> str:
        """The score of which a difference is resampled: a detector's loss ranks pairs, so it is the log loss."""
        return "log loss" if self.score == "loss" and self.config["task"] == "image" else self.score

    @property
    def checks(self) -> list[dict[str, Any]]:
        """The history record of each validation, one per finished epoch."""
        return [record for record in self.history if record["kind"] == "val"]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The history record of each logged training step."""
        return [record for record in self.history if record["kind"] == "train"]

    @property
    def content(self) -> str:
        """A description of the data that does not depend on the file's name, nor on what a run makes of them."""
        report = {key: value for key, value in self.data.items() if key not in ("file", "splits", "tokens")}
        return f"{self.data['rows_kept']} rows, {len(self.data['classes'])} classes, {storage.digest(report)[:8]}"

    def value(self, key: str) -> Any:
        """Return any setting by its dotted key, as the run resolved it; None if its config has none of it."""
        return self.settings.get(key, self.keys.get(key))

    @cached_property
    def keys(self) -> dict[str, Any]:
        """All settings by dotted key."""
        return dict(storage.flatten(self.config))

    @property
    def settings(self) -> dict[str, Any]:
        """Settings that can change results, by dotted key, without those that have no effect in this run."""
        selection = self.config.get("select") or {"strategy": "all"}
        flat = dict(storage.flatten({**self.config, "select": selection}))
        flat["data"] = self.content
        summary = _read_if_exists(self.home / run_files.SELECTION_SUMMARY) or {}
        flat |= {f"select.{key}": summary[key] for key in _STRATEGY if key in summary}
        if self.metrics:
            flat["train.precision"] = self.metrics["training"]["precision"]
        elif flat["train.precision"] != "no":
            del flat["train.precision"]  # the resolved precision is not recorded yet
        idle = unused.without_effect(config.parse(self.config, source=str(self.home / run_files.CONFIG)))
        return {key: value for key, value in flat.items() if key not in idle and _matters(key, flat)}


def read_runs(paths: Sequence[Path]) -> list[RunFiles]:
    """Read runs in the given order, each once; a folder is replaced by all runs in it, sorted by name.

    Raises
    ------
    InputError
        A path has no run, or a file of a run is invalid.
    """
    homes: dict[Path, Path] = {}
    for path in paths:
        for home in _homes(path):
            homes.setdefault(home.resolve(), home)
    names = _names(list(homes))
    return [_read(home, names[place]) for place, home in homes.items()]


def _homes(path: Path) -> list[Path]:
    if _is_run(path):
        return [path]
    if not path.exists():
        raise InputError(f"no folder {path} (seen from {Path.cwd()}): {_CURE}")
    homes = sorted(child for child in path.iterdir() if _is_run(child)) if path.is_dir() else []
    if not homes:
        raise InputError(f"{path} contains no run (no {run_files.CONFIG} and {run_files.DATA_REPORT}): {_CURE}")
    return homes


def _is_run(path: Path) -> bool:
    """Return whether a folder is a run; `config.json` alone is not enough, since encoders have one too."""
    return (path / run_files.CONFIG).is_file() and (path / run_files.DATA_REPORT).is_file()


def _names(homes: Sequence[Path]) -> dict[Path, str]:
    """Return unique names; of runs that share one, those in folders named by the time have the time as well."""
    names = {home: title(home) for home in homes}
    names |= {home: f"{names[home]} {time[0]}" for home in _repeated(names) if (time := _TIME.search(home.name))}
    return names | _ends(_repeated(names))


def title(home: Path, settings: Mapping[str, Any] | None = None) -> str:
    """Return the name of a run's folder or, if that is a time, the name in its config, which is read unless given."""
    if not _TIME.search(home.name):
        return home.name
    settings = storage.read_json(home / run_files.CONFIG) if settings is None else settings
    return str(settings.get("name", home.name))


def _repeated(names: Mapping[Path, str]) -> list[Path]:
    counts = Counter(names.values())
    return [home for home, name in names.items() if counts[name] > 1]


def _ends(homes: Sequence[Path]) -> dict[Path, str]:
    """Return the shortest ends of the paths that are unique."""
    parts, names = 1, {home: home.name for home in homes}
    while len(set(names.values())) < len(homes):
        parts += 1
        names = {home: "/".join(home.parts[-parts:]) for home in homes}
    return names


def _read(home: Path, name: str) -> RunFiles:
    if changed := storage.changed_files(home, _FILES):
        files = ", ".join(changed)
        change = say(
            "{home} has changed since it was written: {files}: restore it, or leave it out", home=home, files=files
        )
        raise SaidError(change)
    return RunFiles(
        home,
        name,
        _object(home / run_files.CONFIG, "data", "model", "train", "checkpoint", "seed"),
        _object(home / run_files.ENVIRONMENT, "packages"),
        _object(home / run_files.DATA_REPORT, "rows_kept", "classes"),
        _history(home / run_files.HISTORY),
        _read_if_exists(home / run_files.METRICS),
        _read_if_exists(home / freeze_proof.FILE),
        _read_predictions(home / _PREDICTIONS),
    )


def _read_if_exists(path: Path) -> dict[str, Any] | None:
    return _object(path) if path.exists() else None


def _object(path: Path, *keys: str) -> dict[str, Any]:
    """Return the object in a JSON file of a run, which has these keys at least."""
    value = storage.read_json(path)
    if not isinstance(value, dict) or not value.keys() >= set(keys):
        raise SaidError(
            say(
                "{path} is not one that a run of tithe wrote: restore it, or leave {home} out",
                path=path,
                home=path.parent,
            )
        )
    return value


def _history(path: Path) -> list[dict[str, Any]]:
    records = storage.read_lines(path)
    for number, record in enumerate(records, start=1):
        if not isinstance(record.get("step"), int) or "kind" not in record:
            line = say("line {line} of {file} is not a record of a run", line=number, file=path)
            raise SaidError(say("{problem}: restore it, or leave {home} out", problem=line, home=path.parent))
    return records


def _read_predictions(path: Path) -> dict[str, Array] | None:
    if not path.exists():
        return None
    try:
        calibrated = run_files.UNCALIBRATED in pq.read_schema(path).names
        # The loss of a run is that of its network, before the temperature.
        columns = [*_COLUMNS[:-1], run_files.UNCALIBRATED if calibrated else _COLUMNS[-1]]
        table = pq.read_table(path, columns=columns).rename_columns(list(_COLUMNS)).sort_by("row")
    except (OSError, ValueError, KeyError) as error:
        reason = words.reason(error)
        unread = say("{path} can't be read ({reason}): write it again with 'tithe evaluate'", path=path, reason=reason)
        raise SaidError(unread) from None
    return {column: table.column(column).to_numpy() for column in _COLUMNS}


def _matters(key: str, flat: Mapping[str, Any]) -> bool:
    if key in _IGNORED or flat[key] == AUTO:  # earlier versions did not record what a run decided
        return False
    if key.startswith("select.") and key != "select.strategy" and flat.get("select.strategy") == "all":
        return False  # all rows need no budget
    return key == _BEST_BY or not key.startswith(_IGNORED_SECTIONS)
