"""Reading of config files: YAML or JSON, with variables from the environment and `.env`."""

from __future__ import annotations

import datetime
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from tithe import storage
from tithe.errors import InputError

# Bounds that no real config comes near: a file beyond them is something else.
_MOST_BYTES, _MOST_VALUES, _MOST_LEVELS = 1 << 18, 100_000, 100
_TAG = "tag:yaml.org,2002:"
_TAGS = {"null", "bool", "int", "float", "str", "timestamp", "merge", "value", "seq", "map"}
_UNUSABLE = re.compile("[\0\ud800-\udfff]")


def read(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a file's mapping as written, and with `${NAME}` replaced from `.env` files and the environment.

    Raises
    ------
    InputError
        No such file, too large, not YAML or JSON, not a mapping, or a variable that is not set.
    """
    value = _yaml(_text_of(path), str(path))
    if not isinstance(value, dict):
        raise InputError(f"{path} contains no settings: a config is a mapping such as 'data: {{path: rows.parquet}}'")
    return value, _interpolate(value, path)


def read_mapping(mapping: Mapping[Any, Any], place: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the settings of a dict as `read` returns those of a file at a place.

    Paths, tuples and the numbers of NumPy are accepted too; the dict stays as it is.

    Raises
    ------
    InputError
        A value is none that a file can have, or a variable is not set.
    """
    try:
        value = {str(key): _as_in_file(item, str(key)) for key, item in mapping.items()}
    except RecursionError:
        raise InputError(f"{place.name} contains itself: pass a dict that does not") from None
    return value, _interpolate(value, place)


def _as_in_file(value: Any, key: str) -> Any:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, Mapping):
        return {str(name): _as_in_file(item, f"{key}.{name}") for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_in_file(item, key) for item in value]
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if not isinstance(value, str | int | float | datetime.date | None):
        raise InputError(f"config: {key} is of type {type(value).__name__}: use a text, a number, a list or a dict")
    return value


def _text_of(path: Path) -> str:
    try:
        with path.open("rb") as file:  # not all of it: it may be a data file, or a device
            content = file.read(_MOST_BYTES + 1)
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        raise InputError(
            f"no config file {path} (seen from {Path.cwd()}): pass its full path, or change to its root folder"
        ) from None
    if len(content) > _MOST_BYTES:
        raise InputError(f"{path} is larger than {_MOST_BYTES >> 10} KB: pass a file of settings, in YAML or JSON")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a text file in UTF-8: pass a config in YAML or JSON, saved as UTF-8") from None


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

    if _bracket_depth(text) > _MOST_LEVELS:  # the parser's time grows with the square of it
        raise InputError(f"{source} is nested too deeply: a config has a few levels of sections")
    yaml = YAML(typ="safe", pure=True)
    try:
        node = yaml.compose(text)
        if node is None:
            return None
        if _expanded_size(node, {}) > _MOST_VALUES:
            raise InputError(
                f"{source} has more than {_MOST_VALUES} values: remove YAML aliases that repeat others, or themselves"
            )
        return yaml.constructor.construct_document(node)
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        # ruamel shows both values of a duplicate key: one of them may be a token.
        problem = str(error.problem or error.context).partition(" with value")[0]
        raise InputError(f"{source} is not YAML{where}: {problem}") from None
    except YAMLError as error:
        raise InputError(f"{source} is not YAML: {str(error).splitlines()[0]}") from None
    except RecursionError:
        raise InputError(f"{source} is nested too deeply: a config has a few levels of sections") from None
    except (ValueError, LookupError, TypeError) as error:  # a number that Python can't hold, `!!bool maybe`
        # What follows the colon, and the text of other errors, is the value: it may be a token.
        reason = str(error).partition(":")[0] if isinstance(error, ValueError) else "it does not fit its tag"
        raise InputError(f"{source} has a value that can't be read ({reason}): write it in another way") from None


def _bracket_depth(text: str) -> int:
    steps = (1 if bracket in "[{" else -1 for bracket in re.findall(r"[\[\]{}]", text))
    return max(itertools.accumulate(steps, initial=0))


def _expanded_size(node: Any, sizes: dict[int, int]) -> int:
    """Return how many values a node is after the expansion of its aliases; too many if it contains itself.

    Nothing is expanded yet: ten short lines of aliases can be a billion values.

    Raises
    ------
    ConstructorError
        A value has a tag that is not a config's, or a character that no file name or text can have.
    """
    if id(node) not in sizes:
        _check_node(node)
        sizes[id(node)] = _MOST_VALUES + 1  # found again inside itself, it has no end
        parts = [] if isinstance(node.value, str) else node.value
        children = (child for part in parts for child in (part if isinstance(part, tuple) else (part,)))
        sizes[id(node)] = 1 + sum(_expanded_size(child, sizes) for child in children)
    return sizes[id(node)]


def _check_node(node: Any) -> None:
    from ruamel.yaml.constructor import ConstructorError

    tag = str(node.tag).removeprefix(_TAG)
    if tag not in _TAGS:
        raise ConstructorError(problem=f"the tag '{tag}' is not supported: remove it", problem_mark=node.start_mark)
    if tag == "timestamp":
        node.tag = f"{_TAG}str"  # a date is text, as it was written
    if isinstance(node.value, str) and _UNUSABLE.search(node.value):
        problem = "NUL, or half of a character, in a text: remove it"
        raise ConstructorError(problem=problem, problem_mark=node.start_mark)


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

    return cast(dict[str, Any], walk(raw))
