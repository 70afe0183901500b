"""Reading of config files: YAML or JSON, with variables from the environment and `.env`."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, cast

from tithe import storage
from tithe.errors import InputError


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's mapping as written, and with `${NAME}` replaced from `.env` files and the environment.

    Raises
    ------
    InputError
        No such file, not YAML or JSON, not a mapping, or a variable that is not set.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(
            f"no config file {path} (seen from {Path.cwd()}): pass its full path, or change to its root folder"
        ) from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file: pass a config in YAML or JSON") from None
    value = _yaml(text, str(path))
    if not isinstance(value, dict):
        raise InputError(f"{path} contains no settings: a config is a mapping such as 'data: {{path: rows.parquet}}'")
    return value, _interpolate(value, path)


_TRAINING_KEYS = re.compile(r'"(data|paths)"\s*:\s*\{|"(strategy_name|data_root)"\s*:')


def is_config_file(path: Path) -> bool:
    """Return whether a file is a config, by its suffix and, since `.json` may also be data, by its first keys."""
    if path.suffix.lower() in (".yaml", ".yml"):
        return True
    if path.suffix.lower() != ".json" or not path.is_file():
        return False
    with path.open(encoding="utf-8", errors="replace") as file:
        beginning = file.read(4096).lstrip("\ufeff \t\r\n")
    return beginning.startswith("{") and _TRAINING_KEYS.search(beginning) is not None


def _yaml(text: str, source: str) -> Any:
    # YAML 1.2 in pure Python: there `1e-5` is a number and `no` is a string; the C parser reads YAML 1.1.
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # ruamel shows both values of a duplicate key: one of them may be a token.
        problem = str(error.problem or error.context).partition(" with value")[0]
        raise InputError(f"{source} is not YAML{where}: {problem}") from None
    except YAMLError as error:
        raise InputError(f"{source} is not YAML: {str(error).splitlines()[0]}") from None


def override(text: str) -> tuple[str, Any]:
    """Return the dotted key and the YAML value of `key=value`.

    Raises
    ------
    InputError
        There is no `=`, or the value is not YAML.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise InputError(f"--set '{text}' is not key=value: write for example --set train.epochs=2")
    return key.strip(), _yaml(value, f"--set {key}")


def _interpolate(raw: dict[str, Any], path: Path) -> dict[str, Any]:
    variables = {**storage.dotenv(Path.cwd() / ".env"), **storage.dotenv(path.parent / ".env"), **os.environ}

    def fill(match: re.Match[str]) -> str:
        name, default = match["name"], match["default"]
        if name in variables:
            return variables[name]
        if default is not None:
            return default
        raise InputError(f"{path.name}: ${{{name}}} is not set: export {name}, or write it to .env")

    def walk(value: Any) -> Any:
        if isinstance(value, dict):
            return {str(key): walk(item) for key, item in value.items()}
        if isinstance(value, list):
            return [walk(item) for item in value]
        return re.sub(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*))?\}", fill, value) if isinstance(value, str) else value

    try:
        return cast(dict[str, Any], walk(raw))
    except RecursionError:
        raise InputError(f"{path.name} contains itself: remove the YAML alias that refers to its own anchor") from None
