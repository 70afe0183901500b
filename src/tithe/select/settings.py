"""The settings of a selection: what a strategy takes, which strategies choose, and what identifies their choice."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from tithe import config, plugins, storage
from tithe.config.explain import explain_mistakes
from tithe.errors import InputError
from tithe.models import encoders

PREDICTIONS = frozenset({"probs", "proxy_probs"})  # signals of a model: between rounds, of the one trained before
EMBEDDINGS = frozenset({"embeddings"})  # change between rounds if the encoder is trained
_OF_LANGUAGE_MODEL = frozenset({"perplexity", "conditional_loss", "prior_loss"})
# What a fingerprint has the content of, and what messages call it.
_FILES = {
    "strategy_sha256": "the file of a strategy",
    "first_sha256": "the file of a strategy",
    "scores_sha256": "the file of select.scores",
    "embeddings_sha256": "the file of data.embeddings",
    "language_model_sha256": "the model of select.language_model",
}


def overridden(
    settings: config.Select | None, changes: Mapping[str, Any], options: Mapping[str, Any], source: str
) -> config.Select:
    """Return settings with some of them changed; values that are None change nothing.

    Options belong to a strategy: those of the settings are dropped if the strategy changes.

    Parameters
    ----------
    settings
        The `select` section of a config; the defaults when None.
    source
        Shown in errors.

    Raises
    ------
    InputError
        A value is not valid.
    """
    settings = settings or config.Select()
    given = {key: value for key, value in changes.items() if value is not None}
    changed = {**settings.model_dump(exclude_unset=True), **given}  # defaults depend on the track
    is_same = plugins.short_name(settings.strategy) == plugins.short_name(changed.get("strategy", settings.strategy))
    own = settings.options if is_same else {}
    return config.section(config.Select, {**changed, "options": {**own, **options}}, source)


def parse_options(strategy: ModuleType, settings: config.Select) -> config.Section:
    """Return a strategy's options, checked.

    Raises
    ------
    InputError
        It has no such option, or not with this value.
    """
    name, model = plugins.short_name(settings.strategy), options_type(strategy)
    try:
        return model.model_validate(dict(settings.options))
    except ValidationError as error:
        raise InputError(*explain_mistakes(model, error, f"select.options of {name}")) from None


def options_type(strategy: ModuleType) -> type[config.Section]:
    """Return the type of a strategy's options.

    Raises
    ------
    InputError
        It is not a `config.Section`.
    """
    model: object = getattr(strategy, "Options", config.Section)
    if not (isinstance(model, type) and issubclass(model, config.Section)):
        raise InputError(f"{strategy.__file__}: Options is not a subclass of tithe.config.Section: derive it from that")
    return model


def first_strategy(settings: config.Select) -> str:
    """Return the strategy of the first of several rounds: unless it is set, random where the strategy needs a model.

    Raises
    ------
    InputError
        The strategy does not exist.
    """
    if settings.first is not None:
        return settings.first
    module = plugins.load("strategies", settings.strategy)
    needs_model = not PREDICTIONS.isdisjoint(module.NEEDS) and not hasattr(module, "decide")
    return "random" if needs_model or settings.rounds == 1 else settings.strategy


def strategies_of(settings: config.Select) -> tuple[str, ...]:
    """Return the strategies that choose: that of the first of several rounds too.

    Raises
    ------
    InputError
        The strategy does not exist.
    """
    return (settings.strategy, first_strategy(settings)) if settings.rounds > 1 else (settings.strategy,)


def needs_of(settings: config.Select) -> set[str]:
    """Return the signals that the strategies and the filters read.

    Raises
    ------
    InputError
        The strategy does not exist.
    """
    of_strategies = {need for name in strategies_of(settings) for need in plugins.load("strategies", name).NEEDS}
    return of_strategies | set(filter_needs(settings))


def filter_needs(settings: config.Select) -> tuple[str, ...]:
    """Return the signals that the filters of a selection read."""
    used = settings.filter
    return (*(("probs",) if used.noise else ()), *(("embeddings",) if used.duplicates else ()))


def content_hashes(settings: config.Select, data: config.Data) -> dict[str, str]:
    """Return the SHA-256 of the strategies' code, by setting; of those that are part of tithe the `VERSION`, if any.

    Own scores, embeddings and a language model that they read are hashed too. All belong in every key and fingerprint
    of a selection: an edited strategy is another one.

    Raises
    ------
    InputError
        The strategy does not exist, or the file of own scores or embeddings.
    """
    needs, codes = needs_of(settings), dict[str, str]()
    if settings.scores and "scores" in needs:
        codes["scores_sha256"] = file_sha256(settings.scores, "select.scores")
    if data.embeddings and needs & (EMBEDDINGS | PREDICTIONS):
        codes["embeddings_sha256"] = file_sha256(data.embeddings, "data.embeddings")
    if settings.language_model and needs & _OF_LANGUAGE_MODEL:
        codes["language_model_sha256"] = language_model_sha256(settings.language_model)
    for key, name in zip(("strategy", "first"), strategies_of(settings), strict=False):
        if sha256 := plugins.sha256("strategies", name):
            codes[f"{key}_sha256"] = sha256
        elif version := getattr(plugins.load("strategies", name), "VERSION", None):
            codes[f"{key}_version"] = str(version)
    return codes


def file_sha256(path: str, setting: str) -> str:
    """Return the SHA-256 of a file; it may be large, and is hashed once in a process while it stays as it is.

    Raises
    ------
    InputError
        There is no such file; the message names the setting.
    """
    state = existing(path, setting).stat()
    return _sha256(Path(path).resolve(), state.st_ino, state.st_mtime_ns, state.st_size)


def language_model_sha256(path: str) -> str:
    """Return what identifies a language model: the SHA-256 of the files that are read of it, wherever they are.

    One that is not there has none, which it shares with no other: whoever opens it says so.
    """
    place = Path(path)
    files = [*encoders.files(place), *sorted(place.glob("*.gguf"))] if place.is_dir() else [place]
    present = [file for file in files if file.is_file()]
    return storage.digest([(file.name, file_sha256(str(file), "select.language_model")) for file in present])


@cache
def _sha256(path: Path, *state: int) -> str:
    return storage.sha256_file(path)


def existing(path: str, setting: str) -> Path:
    """Return the path of a file that a setting names.

    Raises
    ------
    InputError
        There is no such file.
    """
    if not Path(path).is_file():
        raise InputError(f"{setting}: no file {path} (seen from {Path.cwd()}): pass the path of one")
    return Path(path)


def fingerprint(settings: config.Select, data: config.Data) -> dict[str, Any]:
    """Return what makes a selection and must match on resume; a file counts by its content, wherever it is."""
    names = {"strategy": plugins.short_name(settings.strategy), "first": plugins.short_name(first_strategy(settings))}
    values = settings.model_dump(mode="json", exclude={"scores"})
    for name, default in (("track", "T1"), ("retrain", "fresh")):
        if values[name] == default:  # so that selections of versions without the setting are still the same
            del values[name]
    return {**values, **names, **content_hashes(settings, data)}


def check_unedited(used: Mapping[str, Any], before: Mapping[str, Any]) -> None:
    """Compare the `content_hashes` of files that were used with earlier ones, of a fingerprint or a trial.

    Raises
    ------
    InputError
        A file was edited in between: what was chosen belongs to neither version.
    """
    for key, file in _FILES.items():
        if used.get(key) != before.get(key):
            raise InputError(f"{file} was edited while it was in use: run this again")
