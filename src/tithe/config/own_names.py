"""Messages about a config in a documented format: they name its keys and scripts instead of the native ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType

from tithe import plugins
from tithe.config import Run, recognise
from tithe.config.explain import known_keys
from tithe.config.files import is_config_file, read
from tithe.errors import InputError


class OwnNames:
    """The names of settings in one config file.

    Parameters
    ----------
    file
        The config, which is read when there is a first message; of any other file, native names stay as they are.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    def __call__(self, message: str) -> str:
        """Return a message with the file's own names; a setting that its format lacks can be set by `--set`."""
        return self._native.sub(self._own, message)

    def _own(self, match: re.Match[str]) -> str:
        name, value = match[1], match[2] or ""
        return self._names.get(name, name if value else f"{name} (by --set)") + value

    @cached_property
    def _format(self) -> ModuleType | None:
        try:
            recipe = recognise(read(self._file)[1]) if is_config_file(self._file) else None
        except (InputError, OSError):
            return None
        return plugins.load("formats", recipe) if recipe else None

    @cached_property
    def _names(self) -> dict[str, str]:
        names: dict[str, str] = getattr(self._format, "NAMES", {})
        return names

    @cached_property
    def _native(self) -> re.Pattern[str]:
        if self._format is None:
            return re.compile(r"(?!)")  # matches nothing
        keys = {key for key in known_keys(Run) - known_keys(self._format.Config) if "." in key}
        names = sorted(keys | set(self._names), key=len, reverse=True)
        # Not what the user wrote, and not a part of a path.
        return re.compile(rf"(?<!unknown key ')(?<![\w./-])({'|'.join(map(re.escape, names))})(?![\w/-]|\.\w)( = )?")


def native_keys(key: str) -> Iterator[str]:
    """Yield what a key of a documented format is called in a native config."""
    for name in plugins.names("formats"):
        names: dict[str, str] = getattr(plugins.load("formats", name), "NAMES", {})
        yield from (native for native, own in names.items() if own == key)
