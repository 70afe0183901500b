"""The modules that are loaded, and what those of tithe keep."""

from __future__ import annotations

import os
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from support.state.kind import ABSENT, Kind, Parts, Values, is_same


def _modules() -> Values:
    loaded = sys.modules.copy()
    loaded.pop("transformers", None)  # it reloads itself when it is first asked for a model
    return loaded


def _write_module(name: str, value: Any) -> None:
    if value is ABSENT:
        del sys.modules[name]
    else:
        sys.modules[name] = value


def _on_path(module: Any) -> bool:
    """Say whether a module is a library's; else it is from a folder that is gone: a project that a test has written."""
    if str(getattr(module, "__name__", "")).startswith("tithe_file_"):
        return True  # a strategy that is a file stays loaded, under a name that has its content's hash
    file = getattr(module, "__file__", None)
    # Modules that a library makes up, as torch does, have the name of a file without its folder.
    return not file or not Path(file).is_absolute() or file.startswith(_folders(*sys.path))


@lru_cache(1)
def _folders(*path: str) -> tuple[str, ...]:
    return tuple(f"{Path(entry).resolve()}{os.sep}" for entry in path)


class Seen(NamedTuple):
    """What a module kept when it was last read: all of it, what it fills in place, copies of that, and its parts."""

    everything: dict[str, Any]
    filled: list[Any]
    copies: list[Any]
    parts: Parts

    def still(self, now: dict[str, Any]) -> bool:
        return is_same(self.everything, now) and self.filled == self.copies


_seen: dict[str, Seen] = {}


def _globals() -> Values:
    """Return what each module of tithe keeps; of what it fills in place, a copy."""
    return {name: _kept(name, vars(sys.modules[name])) for name in _ours(list(sys.modules))}


def _ours(loaded: list[str]) -> list[str]:
    """Return the modules of tithe; looked for again only when others are loaded."""
    if _names[0] != loaded:
        _names[:] = loaded, [name for name in loaded if name.partition(".")[0] == "tithe"]
    return _names[1]


_names: list[list[str]] = [[], []]


def _kept(name: str, now: dict[str, Any]) -> Parts:
    seen = _seen.get(name)
    if not seen or not seen.still(now):
        own = {key: value for key, value in now.items() if key[:2] != "__" and (name, key) not in GROWS_BY_DESIGN}
        copies = {key: value.copy() for key, value in own.items() if type(value) in FILLED_IN_PLACE}
        seen = Seen(now.copy(), [own[key] for key in copies], list(copies.values()), Parts(own | copies))
        _seen[name] = seen
    return seen.parts


FILLED_IN_PLACE = {set, dict, list}
# The folders that this process has used or cleared: records that only grow, of paths that no other test has.
GROWS_BY_DESIGN = {("tithe.storage.cache", "_in_use"), ("tithe.storage.leftovers", "_cleared")}


def _of_tithe(value: Any) -> bool:
    """Say whether a new module's value is its own; a test's stand-in, seen by an import, stays when the patch goes."""
    return not str(getattr(value, "__module__", "")).startswith(("support.", "tests.", "test_"))


def _write_global(name: Any, value: Any) -> None:
    module, key = name
    if value is ABSENT:
        delattr(sys.modules[module], key)  # what belongs there is unknown, and an error better than a stand-in
    else:
        setattr(sys.modules[module], key, value)


KINDS = [
    Kind("module", _modules, _write_module, _on_path),
    Kind("global", _globals, _write_global, _of_tithe),
]
