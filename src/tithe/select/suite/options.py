"""Options of the strategies of a suite: for each strategy that has such an option, or for one by its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tithe import config, plugins
from tithe.errors import InputError, did_you_mean

Options = dict[str, dict[str, Any]]  # by the short name of the strategy


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
    model: type[config.Section] = getattr(plugins.load("strategies", strategy), "Options", config.Section)
    return set(model.model_fields)


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
