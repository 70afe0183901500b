"""The strategies of a suite, and their options: for each strategy that has such an option, or for one by its name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

from tithe import config, plugins, storage
from tithe.config.files import override
from tithe.errors import InputError, did_you_mean
from tithe.select.buying.tracks import track_of
from tithe.select.settings import options_type

Options = dict[str, dict[str, Any]]  # by the short name of the strategy
_WITH_OPTION = re.compile(r"(?P<strategy>.+?):(?P<option>\w+=.*)", re.DOTALL)


def split_options(text: str) -> tuple[str, dict[str, Any]]:
    """Return a strategy, a name or a path, and its options, of `strategy` or `strategy:key=value`."""
    match = _WITH_OPTION.fullmatch(text)
    return (match["strategy"], dict([override(match["option"])])) if match else (text, {})


def named_strategies(texts: Iterable[str]) -> tuple[list[str], dict[str, Any]]:
    """Return the strategies of such texts, each once, and their options by `strategy.option`; blank texts are none.

    Raises
    ------
    InputError
        One strategy has two values of an option.
    """
    names: list[str] = []
    options: dict[str, Any] = {}
    for name, own in (split_options(text.strip()) for text in texts if text.strip()):
        names.append(storage.expand_home(name))
        for key, value in own.items():
            other = options.setdefault(f"{plugins.short_name(name)}.{key}", value)
            if other != value:
                raise InputError(
                    f"strategy {name} has {key}={other} and {key}={value}: a suite has one line for a strategy, so "
                    "choose a value, or run another suite for the other one"
                )
    return list(dict.fromkeys(names)), options


def is_possible(strategy: ModuleType, settings: config.Select) -> bool:
    """Say whether a suite of all strategies has this one: it is of the track, and what it reads is given."""
    has_scores = "scores" not in strategy.NEEDS or settings.scores is not None
    return track_of(strategy) in (None, settings.track) and has_scores


def by_strategy(base: config.Run, strategies: Sequence[str], given: Mapping[str, Any]) -> tuple[config.Run, Options]:
    """Return the config with the options of its own strategy only, and the options that each strategy gets besides.

    Parameters
    ----------
    base
        Its `select.options` belong to its `select.strategy`; if it names none, they are like `given`, and may also be
        mappings by strategy.
    given
        Values by `option`, for each strategy that has it, or by `strategy.option`, which overrides the former.

    Raises
    ------
    InputError
        The suite has no such strategy, or no strategy with such an option.
    """
    names = {plugins.short_name(name): _option_names(name) for name in strategies}
    values = dict(given)
    if base.select is not None and "strategy" not in base.select.model_fields_set:
        values = {**dict(_flat(base.select.options, names)), **values}
        base = base.model_copy(update={"select": base.select.model_copy(update={"options": {}})})
    options: Options = {name: {} for name in names}
    for key, value in sorted(values.items(), key=lambda item: "." in item[0]):
        for name in _takers(key, names):
            options[name][key.rpartition(".")[2]] = value
    return base, options


def _option_names(strategy: str) -> set[str]:
    return set(options_type(plugins.load("strategies", strategy)).model_fields)


def _flat(options: Mapping[str, Any], names: Mapping[str, set[str]]) -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        if key in names and isinstance(value, Mapping):
            yield from ((f"{key}.{option}", own) for option, own in value.items())
        else:
            yield key, value


def _takers(key: str, names: Mapping[str, set[str]]) -> list[str]:
    """Return the strategies that a key is for."""
    strategy, dot, option = key.rpartition(".")
    if dot:
        if strategy not in names:
            raise InputError(f"option {key}: the suite has no strategy '{strategy}'{did_you_mean(strategy, names)}")
        return [strategy]
    takers = [name for name, options in names.items() if option in options]
    if not takers:
        known = sorted({known for options in names.values() for known in options})
        raise InputError(f"no strategy of the suite has an option '{option}'{did_you_mean(option, known)}")
    return takers
