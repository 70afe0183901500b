"""The one door to every leaf: a family is a folder, a member is a file, its name is the file's name."""

from __future__ import annotations

import importlib
import importlib.util
import pkgutil
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

from tithe.errors import InputError, did_you_mean

# Where the members of each family are; their contract is in the folder's `__init__.py`, or in this file beside them.
CONTRACT = "protocol"
FAMILIES = {
    "galleries": "data.galleries",
    "readers": "data.readers",
    "recipes": "config.formats",
    "strategies": "select.strategies",
    "tasks": "tasks",
    "trackers": "track.trackers",
}


@cache
def names(family: str) -> tuple[str, ...]:
    """Return the members of a family, sorted, without importing any of them."""
    folder = Path(__file__).parent.joinpath(*FAMILIES[family].split("."))
    return tuple(sorted(m.name for m in pkgutil.iter_modules([str(folder)]) if m.name != CONTRACT))


def load(family: str, name: str) -> ModuleType:
    """Import one member of a family.

    Raises
    ------
    InputError
        The family has no such member; the message lists those it has.
    """
    if name not in names(family):
        raise InputError(f"unknown {family} name '{name}'{did_you_mean(name, names(family))}")
    return importlib.import_module(f"tithe.{FAMILIES[family]}.{name}")


def installed(module: str) -> bool:
    """Say whether a top-level module can be imported, without importing it."""
    if module in sys.modules:  # one that has replaced itself while it was imported may have lost its spec
        return sys.modules[module] is not None
    return importlib.util.find_spec(module) is not None


def require(module: str, extra: str) -> ModuleType:
    """Import an optional module.

    Raises
    ------
    InputError
        It is not installed; the message names the extra that brings it.
    """
    if not installed(module.partition(".")[0]):
        raise InputError(f"{module} is not installed: pip install 'tithe[{extra}]'")
    return importlib.import_module(module)
