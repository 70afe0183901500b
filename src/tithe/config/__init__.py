"""The one strict, frozen `Run`: how files in any known vocabulary become it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar, cast

from pydantic import BaseModel, ValidationError

from tithe import plugins
from tithe.config.explain import explain_error, known_keys, required_keys
from tithe.config.files import override, read
from tithe.config.schema import (
    Checkpoint,
    ClearML,
    Count,
    Data,
    Images,
    MLflow,
    Model,
    Neptune,
    Positive,
    Ratio,
    Run,
    Section,
    Seed,
    Select,
    Track,
    Train,
    Tune,
)
from tithe.errors import InputError

__all__ = [
    "Checkpoint",
    "ClearML",
    "Count",
    "Data",
    "Images",
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
    "Train",
    "Tune",
    "dump",
    "load",
    "parse",
    "recognise",
    "section",
]

S = TypeVar("S", bound=Section)


def load(path: str | Path, overrides: Sequence[str] = ()) -> Run:
    """Read a YAML or JSON file, native or of any documented recipe, into a `Run`.

    Parameters
    ----------
    path
        The file. `${NAME}` in its values is taken from the environment, then from `.env` beside the
        file or in the current folder; `${NAME:-text}` has a default.
    overrides
        `a.b=c` settings in the file's own vocabulary or the native one; values are YAML.

    Raises
    ------
    InputError
        Anything that is not exactly right, in one line.
    """
    path = Path(path)
    written, raw = read(path)
    return parse(raw, overrides, path.name, written, path)


def parse(
    raw: Mapping[str, Any],
    overrides: Sequence[str] = (),
    source: str = "config",
    written: Mapping[str, Any] | None = None,
    file: Path = Path("config"),
) -> Run:
    """Turn a mapping in any known vocabulary into a `Run`; see `load`.

    `written` is the mapping before variables were filled in: errors show `${NAME}`, never its value. `file` is
    where they stand: a documented format may count its paths, and take the run's name, from there.
    """
    recipe = recognise(raw)
    settings = [override(text) for text in overrides]
    values: dict[str, Any] = json.loads(json.dumps(raw, default=str))  # a copy that --set may change
    if recipe:
        module = plugins.load("recipes", recipe)
        documented, native = known_keys(module.Config), known_keys(Run)
        # A key that neither vocabulary knows belongs to the file's own, where the error can name the right one.
        own = [
            (key, value)
            for key, value in settings
            if key in documented or (key not in native and key.partition(".")[0] in module.Config.model_fields)
        ]
        for key, value in own:
            _assign(values, key, value)
        values = module.translate(_validate(module.Config, values, source, written or {}), file)
        settings = [pair for pair in settings if pair not in own]
    for key, value in settings:
        _assign(values, key, value)
    where = source if not settings else f"{source} and --set"
    return cast(Run, _validate(Run, values, where, {} if recipe else written or {}))


def recognise(raw: Mapping[str, Any]) -> str | None:
    """Return the recipe in whose vocabulary a config is written, None for the native one."""
    present = set(_flatten(raw))

    def score(model: type[BaseModel]) -> tuple[bool, int]:
        known = known_keys(model)
        return required_keys(model) <= present, sum(key in known for key in present)

    scores = {name: score(plugins.load("recipes", name).Config) for name in plugins.names("recipes")}
    best = max(scores, key=lambda name: scores[name], default=None)
    return best if best and scores[best] > score(Run) else None


def section(model: type[S], raw: Mapping[str, Any], source: str) -> S:
    """Check the values of one section.

    Raises
    ------
    InputError
        Anything that is not exactly right, in one line.
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
        first, *more = error.errors(include_url=False)
        rest = f" (and {len(more)} more)" if more else ""
        raise InputError(explain_error(model, cast(dict[str, Any], first), source, written) + rest) from None
