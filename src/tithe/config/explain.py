"""The keys of a config model, their types and meaning, and error messages for wrong values."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Annotated, Any, get_args, get_origin

from pydantic import BaseModel, ValidationError

from tithe.config.aliases import our_names
from tithe.errors import did_you_mean

_MOST_LINES, _MOST_SHOWN = 20, 100
_NAME = "should have letters, digits, '_', '-' and '.' only"


@cache
def known_keys(model: type[BaseModel], prefix: str = "") -> frozenset[str]:
    """Return every dotted key of a config model, sections included."""
    keys: set[str] = set()
    for name, field in model.model_fields.items():
        keys.add(prefix + name)
        if section := _section(field.annotation):
            keys |= known_keys(section, f"{prefix}{name}.")
    return frozenset(keys)


@cache
def required_keys(model: type[BaseModel]) -> frozenset[str]:
    """Return the dotted keys without a default."""
    return frozenset(key for key, _, default, _ in explain(model) if default == "required")


def explain(model: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str, str, str]]:
    """Yield (key, type, default, meaning) for every setting of a config model."""
    for name, field in model.model_fields.items():
        if section := _section(field.annotation):
            yield from explain(section, f"{prefix}{name}.")
            continue
        default = "required" if field.is_required() else json.dumps(field.default, default=str)
        yield prefix + name, _type_name(field.annotation), default, field.description or ""


def _type_name(annotation: Any) -> str:
    parts = list(_parts(annotation))
    if any(isinstance(part, str) for part in parts):
        return " | ".join(part if isinstance(part, str) else getattr(part, "__name__", str(part)) for part in parts)
    name = getattr(parts[0], "__name__", str(parts[0]))
    return {"SecretStr": "secret"}.get(name, str(name))


def _parts(annotation: Any) -> Iterator[Any]:
    """Yield the parts of an annotation, without None, constraints and the item types of tuples and dicts."""
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    if get_origin(annotation) in (tuple, dict):
        yield {tuple: list, dict: dict}[get_origin(annotation)]
    elif options := get_args(annotation):
        for option in options:
            yield from _parts(option)
    elif annotation is not type(None):
        yield annotation


def _section(annotation: Any) -> type[BaseModel] | None:
    for option in (annotation, *get_args(annotation)):
        if isinstance(option, type) and issubclass(option, BaseModel):
            return option
    return None


def explain_mistakes(
    model: type[BaseModel], error: ValidationError, source: str, written: Mapping[str, Any] | None = None
) -> list[str]:
    """Return a line for each mistake that pydantic found: the key, the value, what it should be.

    Parameters
    ----------
    source
        Name of the config, as shown to the user.
    written
        The config before variables were substituted; a value that came from a variable is shown as `${NAME}`.
    """
    by_setting: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    for one in error.errors(include_url=False):
        mistake = dict(one)
        place = _place(model, mistake)
        if mistake["type"] == "too_short" and any(other[:-1] == place for other in by_setting):
            continue  # only since an item of the list was refused
        by_setting.setdefault(place, []).append(mistake)
    lines = [_line(model, loc, mistakes, source, written or {}) for loc, mistakes in by_setting.items()]
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"{source}: {more} more mistakes"] if more > 0 else [])]


def _place(model: type[BaseModel], mistake: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the path of a setting, without the kinds of value that pydantic tried there and names in the path."""
    loc = tuple(mistake["loc"])
    if mistake["type"] == "extra_forbidden":
        return loc
    if _lacks_item(mistake):
        return loc[:-1]
    section: type[BaseModel] | None = model
    for depth, part in enumerate(loc, start=1):
        field = section.model_fields.get(str(part)) if section else None
        section = _section(field.annotation) if field else None
        if field and not section:
            has_own_keys = dict in _parts(field.annotation)
            return loc if has_own_keys else (*loc[:depth], *(part for part in loc[depth:] if isinstance(part, int)))
    return loc


def _line(
    model: type[BaseModel],
    loc: tuple[Any, ...],
    mistakes: Sequence[Mapping[str, Any]],
    source: str,
    written: Mapping[str, Any],
) -> str:
    error, key = mistakes[0], ".".join(_shortened(str(part)) for part in loc)
    if error["type"] == "extra_forbidden":
        return f"unknown key {key!r} in {source}{_nearest(model, loc)}"
    if error["type"] == "missing" and not _lacks_item(error):
        return f"{source}: '{key}' is missing: set it"
    of_section = not loc or _section_at(model, loc)
    if error["type"] == "value_error" and of_section:
        return f"{source}: {_wording(error)}"  # the message itself names the keys
    if of_section:
        return f"{source}: '{key}' should be a section with keys {', '.join(sorted(_siblings(model, loc)))}"
    shown = "a secret" if "token" in key else _shortened(repr(_as_written(written, loc, error["input"])))
    first, *others = (_wording(mistake) for mistake in mistakes)
    for other in others:  # a setting that may be of several kinds
        first = f"{first.replace(' or ', ', ')} or {other.removeprefix('should be ')}"
    return f"{source}: {key} = {shown} {first}"


def _lacks_item(error: Mapping[str, Any]) -> bool:
    return error["type"] == "missing" and isinstance(error["loc"][-1], int)


def _wording(error: Mapping[str, Any]) -> str:
    """Return what a value should be, in the words of a config."""
    if _lacks_item(error):
        return f"should have at least {error['loc'][-1] + 1} items"
    if error["type"] == "string_pattern_mismatch":
        return _NAME + (" and not begin with '-' or '.'" if error["ctx"]["pattern"].startswith(r"^\w") else "")
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should be", "should be")
    message = message.replace("a valid integer", "an integer").replace("a valid ", "a ").replace("a tuple", "a list")
    message = message.replace("a dictionary", "a section of keys and values")
    message = re.sub(r"Tuple (should have at (?:least|most) \d+ items?) after validation, not \d+", r"\1", message)
    return message.removeprefix("String ")


def _shortened(text: str) -> str:
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _as_written(written: Any, loc: Sequence[Any], value: Any) -> Any:
    """Return `${NAME}` where the file has it, also in a list, else the value: that of a variable may be a secret."""
    for part in loc:
        if isinstance(written, Mapping):
            written = written.get(part)
        else:
            written = written[part] if isinstance(written, list) and part in range(len(written)) else None
    return written if "${" in repr(written) else value


def _nearest(model: type[BaseModel], loc: Sequence[Any]) -> str:
    """Suggest a similar key among the siblings, else anywhere in the config."""
    *parents, last = loc
    name, siblings = _shortened(str(last)), _siblings(model, parents)
    keys = [key for key, *_ in explain(model)]
    elsewhere = {key.rpartition(".")[2]: key for key in reversed(keys)}  # of two equal names the first is kept
    for place in (dict(zip(siblings, siblings, strict=True)), elsewhere):
        if ours := next((place[own] for own in our_names(name) if own in place), None):
            return f": did you mean '{ours}'?"
    near = did_you_mean(name, siblings)
    if "did you mean" in near:
        return near
    matches = difflib.get_close_matches(name, elsewhere, n=1, cutoff=0.75)
    return f": did you mean '{elsewhere[matches[0]]}'?" if matches else near


def _section_at(model: type[BaseModel], loc: Sequence[Any]) -> type[BaseModel] | None:
    section: type[BaseModel] | None = model
    for part in loc:
        field = section.model_fields.get(str(part)) if section else None
        section = _section(field.annotation) if field else None
    return section


def _siblings(model: type[BaseModel], parents: Sequence[Any]) -> set[str]:
    section = _section_at(model, parents)
    return set(section.model_fields) if section else set()
