"""Run directories read back, finished or not: what was asked for, on what data, and what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tithe import storage
from tithe.arrays import Array
from tithe.errors import InputError
from tithe.storage import freeze_proof
from tithe.storage.run_files import HISTORY

_CONFIG, _DATA, _METRICS = "config.json", "data_report.json", "metrics.json"
_PREDICTIONS = "test/predictions.parquet"
_COLUMNS = ("row", "label", "predicted", "probability_of_label")
_CURE = "pass run directories, or a folder of them"

# Settings that are a name or a place, or how fast and how often: results do not depend on them. Data are told apart by
# what is in them.
_NO_FACTORS = {
    *("name", "out", "data.path", "data.reader", "data.label_mapping", "data.num_workers"),
    *("train.log_every_steps", "train.device", "train.cache_features"),
}
_NO_FACTOR_SECTIONS = ("checkpoint.", "track.")
_BEST_BY = "checkpoint.best_by"
# A setting that nothing reads while another one has one of these values.
_IDLE = {
    "model.hidden_dim": ("model.head", {"linear"}),
    "train.encoder_learning_rate": ("model.freeze", {"all"}),
    "train.num_cycles": ("train.schedule", {"linear", "constant"}),
    "train.schedule_steps": ("train.schedule", {"constant"}),
}


@dataclass(frozen=True)
class RunFiles:
    """One run as its files tell it.

    Attributes
    ----------
    name
        The end of its path, as long as it takes to tell it from the other runs.
    metrics, proof, predictions
        None where the run has none: it is not finished, froze nothing, held no rows out. The predictions are columns
        of test rows, sorted by `row`.
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
        """The validation score that chose the best epoch."""
        return str(self.config["checkpoint"]["best_by"])

    @property
    def checks(self) -> list[dict[str, Any]]:
        """The history's record of each validation, one for each epoch that was finished."""
        return [record for record in self.history if record["kind"] == "val"]

    @property
    def steps(self) -> list[dict[str, Any]]:
        """The history's record of each training step that was logged."""
        return [record for record in self.history if record["kind"] == "train"]

    @property
    def content(self) -> str:
        """What the data are, whatever the file is called."""
        seen = {key: value for key, value in self.data.items() if key not in ("file", "splits")}
        return f"{self.data['rows_kept']} rows, {len(self.data['classes'])} classes, {storage.digest(seen)[:8]}"

    @property
    def settings(self) -> dict[str, Any]:
        """What can change results, by its dotted key; what has no effect in this run is left out."""
        flat = dict(storage.flatten(self.config))
        flat["data"] = self.content
        if self.metrics:
            flat["train.precision"] = self.metrics["training"]["precision"]
        elif flat["train.precision"] != "no":
            del flat["train.precision"]  # what it came to is not on record yet
        return {key: value for key, value in flat.items() if _matters(key, flat)}


def read_runs(paths: Sequence[Path]) -> list[RunFiles]:
    """Read runs in the order given, each once; a folder stands for all runs in it, by their names.

    Raises
    ------
    InputError
        A path has no run, or a file of one is not what it should be.
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
    homes = sorted(below for below in path.iterdir() if _is_run(below)) if path.is_dir() else []
    if not homes:
        raise InputError(f"{path} holds no run (no {_CONFIG} and {_DATA}): {_CURE}")
    return homes


def _is_run(path: Path) -> bool:
    """A folder of an encoder has a `config.json` too."""
    return (path / _CONFIG).is_file() and (path / _DATA).is_file()


def _names(homes: Sequence[Path]) -> dict[Path, str]:
    """Return the shortest ends of the paths that tell them apart."""
    parts, names = 1, {home: home.name for home in homes}
    while len(set(names.values())) < len(homes):
        parts += 1
        names = {home: "/".join(home.parts[-parts:]) for home in homes}
    return names


def _read(home: Path, name: str) -> RunFiles:
    return RunFiles(
        home,
        name,
        storage.read_json(home / _CONFIG),
        storage.read_json(home / "environment.json"),
        storage.read_json(home / _DATA),
        storage.read_lines(home / HISTORY),
        _read_if_there(home / _METRICS),
        _read_if_there(home / freeze_proof.FILE),
        _read_predictions(home / _PREDICTIONS),
    )


def _read_if_there(path: Path) -> dict[str, Any] | None:
    return dict(storage.read_json(path)) if path.exists() else None


def _read_predictions(path: Path) -> dict[str, Array] | None:
    if not path.exists():
        return None
    try:
        table = pq.read_table(path, columns=list(_COLUMNS)).sort_by("row")
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{path} can't be read ({reason}): write it again with 'tithe evaluate'") from None
    return {column: table.column(column).to_numpy() for column in _COLUMNS}


def _matters(key: str, flat: Mapping[str, Any]) -> bool:
    other, idle = _IDLE.get(key, ("", set()))
    if key in _NO_FACTORS or flat.get(other) in idle:
        return False
    return key == _BEST_BY or not key.startswith(_NO_FACTOR_SECTIONS)
