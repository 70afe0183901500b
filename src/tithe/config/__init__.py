"""Reading a config file, native or of a documented format, into one strict, frozen `Run`."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from tithe import plugins, storage
from tithe.config import unused
from tithe.config.cluster import Cluster
from tithe.config.data import Data, Layout
from tithe.config.explain import explain_mistakes, known_keys, required_keys
from tithe.config.files import override, read, read_mapping
from tithe.config.images import ImageLora, Images
from tithe.config.model import Lora, Model, Windows
from tithe.config.schema import (
    Checkpoint,
    ClearML,
    MLflow,
    Neptune,
    Run,
    Track,
    Trackio,
    Train,
    Tune,
    Wandb,
)
from tithe.config.select import Filter, Select
from tithe.config.values import Count, Positive, Ratio, Section, Seed, Workers
from tithe.errors import InputError

__all__ = [
    "Checkpoint",
    "ClearML",
    "Cluster",
    "Count",
    "Data",
    "Filter",
    "ImageLora",
    "Images",
    "Layout",
    "Lora",
    "MLflow",
    "Model",
    "Neptune",
    "Positive",
    "Ratio",
    "Run",
    "Section",
    "Seed",
    "Select",
    "Track",
    "Trackio",
    "Train",
    "Tune",
    "Wandb",
    "Windows",
    "Workers",
    "dump",
    "load",
    "parse",
    "recognise",
    "section",
]

S = TypeVar("S", bound=Section)

logger = logging.getLogger("tithe")


def load(source: str | os.PathLike[str] | Mapping[str, Any] | Run, overrides: Sequence[str] = ()) -> Run:
    """Read a config, native or in a documented format, into a `Run`; warn of settings without effect.

    Parameters
    ----------
    source
        A YAML or JSON file, or its content as a dict. `${NAME}` in its values is replaced by a variable of the
        environment, else of the `.env` file in the file's folder or the current one; `${NAME:-text}` has a default. A
        `Run` is returned as it is.
    overrides
        `a.b=c` settings with the config's own keys or native ones; values are YAML.

    Raises
    ------
    InputError
        The config or an override is not valid; the message has a line for each mistake.

    Examples
    --------
    >>> run = tithe.read_config("config.yaml", ["train.epochs=2"])
    >>> run = tithe.read_config({"data": {"path": "rows.parquet"}, "train": {"epochs": 2}})
    """
    if isinstance(source, Run):
        if overrides:
            raise InputError(f"{overrides[0]} can't override a Run: pass overrides with a file or a dict")
        return source
    if isinstance(source, Mapping):
        path = Path("config")
        written, raw = read_mapping(source, path)
    elif isinstance(source, str | os.PathLike):
        path = Path(storage.expand_home(str(source)))
        written, raw = read(path)
    else:
        raise InputError(f"a {type(source).__name__} is not a config: pass the path of a file, a dict or a Run")
    run, notes = _resolve(raw, overrides, path.name, written, path)
    for note in notes:
        logger.warning("%s: %s", path.name, note)
    return run


def parse(
    raw: Mapping[str, Any],
    overrides: Sequence[str] = (),
    source: str = "config",
    written: Mapping[str, Any] | None = None,
    file: Path = Path("config"),
) -> Run:
    """Turn a mapping, native or in a documented format, into a `Run`; see `load`.

    `written` is the mapping before variables were substituted: errors show `${NAME}`, never its value. `file` is the
    path of the config: a documented format may resolve its paths against it, and name the run after it.
    """
    return _resolve(raw, overrides, source, written or {}, file)[0]


def _resolve(
    raw: Mapping[str, Any], overrides: Sequence[str], source: str, written: Mapping[str, Any], file: Path
) -> tuple[Run, list[str]]:
    """Return the `Run`, and a note for each setting of the file's format that has no effect; see `parse`."""
    if not isinstance(raw, Mapping):
        raise InputError(f"{source} contains no settings: a config is a mapping such as 'data: {{path: rows.parquet}}'")
    recipe = recognise(raw)
    notes: list[str] = []
    settings = [override(text) for text in overrides]
    values: dict[str, Any] = json.loads(json.dumps(raw, default=str))  # a copy that --set may change
    if recipe:
        module = plugins.load("formats", recipe)
        documented, native = known_keys(module.Config), known_keys(Run)
        # An unknown key counts as one of the documented format, so that the error can suggest a key of that format.
        own = [
            (key, value)
            for key, value in settings
            if key in documented or (key not in native and key.partition(".")[0] in module.Config.model_fields)
        ]
        for key, value in own:
            _assign(values, key, value)
        documented_config = cast(Section, _validate(module.Config, values, source, written))
        notes += unused.notes(documented_config, getattr(module, "UNUSED", ()))
        values = module.translate(documented_config, file)
        settings = [pair for pair in settings if pair not in own]
    for key, value in settings:
        _assign(values, key, value)
    where = source if not settings else f"{source} and --set"
    run = cast(Run, _validate(Run, values, where, {} if recipe else written))
    return run, notes if recipe else list(unused.notes(run, unused.RUN))


def recognise(raw: Mapping[str, Any]) -> str | None:
    """Return the name of the documented format of a config, None for the native one."""
    present, native = set(_flatten(raw)), known_keys(Run)

    def score(model: type[BaseModel]) -> tuple[bool, int]:
        keys, required = known_keys(model), required_keys(model)
        # A format that requires nothing is complete if all keys are its own, and not all of them native ones too.
        complete = required <= present if required else present <= keys and not present <= native
        return complete, sum(key in keys for key in present)

    scores = {name: score(plugins.load("formats", name).Config) for name in plugins.names("formats")}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best and scores[best] > score(Run) else None


def section(model: type[S], raw: Mapping[str, Any], source: str) -> S:
    """Validate the values of one section.

    Raises
    ------
    InputError
        A value is not valid; the message has a line for each mistake.
    """
    return cast(S, _validate(model, raw, source, {}))


def dump(run: Run) -> dict[str, Any]:
    """Return the resolved config as plain values, secrets masked."""
    return run.model_dump(mode="json")


def _assign(raw: dict[str, Any], key: str, value: Any) -> None:
    *parents, last = key.split(".")
    for parent in parents:
        below = raw.get(parent)
        raw[parent] = dict(below) if isinstance(below, dict) else {}
        raw = raw[parent]
    raw[last] = value


def _flatten(raw: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in raw.items():
        yield f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")


def _validate(model: type[BaseModel], raw: Mapping[str, Any], source: str, written: Mapping[str, Any]) -> BaseModel:
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        raise InputError(*explain_mistakes(model, error, source, written)) from None
