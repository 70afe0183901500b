"""Find the text and class columns of a hub file, and the class names of numeric labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import data, plugins
from tithe.data import compressed, json_stream
from tithe.data.labels import normalise, storable
from tithe.data.readers import Unreadable
from tithe.errors import InputError

TEXT, LABEL = "text", "label"
# Why a row is left out; part of the messages and of the recorded origin.
UNLABELLED, UNREADABLE = "without a class", "unreadable"

Names = Mapping[str, Sequence[str]]


class Columns(NamedTuple):
    """The text and label columns, and the class names of numeric labels, if any."""

    text: str
    label: str
    names: Sequence[str]


def choose(repo: str, path: Path, card: Mapping[str, Any], subset: str, text: str | None, label: str | None) -> Columns:
    """Find the columns of a file: the requested ones, else `text` and `label`, else the only candidates.

    Raises
    ------
    InputError
        The column is ambiguous, or the requested one does not exist; the message lists the columns.
    """
    is_text = _columns(path)
    names = {**_names_in_card(card, subset), **_names_in_file(path)}
    classes = [name for name in is_text if name in names]
    label = _one(repo, LABEL, label, list(is_text), [LABEL] if LABEL in is_text else classes)
    texts = [name for name in is_text if is_text[name] and name != label]
    text = _one(repo, TEXT, text, list(is_text), [TEXT] if TEXT in texts else texts)
    return Columns(text, label, names.get(label, ()))


def _one(repo: str, kind: str, requested: str | None, columns: list[str], candidates: list[str]) -> str:
    if requested is None and len(candidates) == 1:
        return candidates[0]
    if requested in columns:
        return str(requested)
    problem = f"has no column '{requested}'" if requested else f"does not say which column is the {kind}"
    raise InputError(f"{repo} {problem}: choose one of {', '.join(columns)} with --{kind}-column")


def rows(path: Path, columns: Columns, left_out: Counter[str]) -> Iterator[list[tuple[str | None, str]]]:
    """Yield lists of (text, class) in file order; rows that have no class or are unreadable are counted instead.

    Raises
    ------
    InputError
        The file is damaged, or a column has the wrong type.
    """
    reader = plugins.load("readers", data.find_reader(path, None))
    label = columns.label if columns.label in _columns(path) else None
    for part in reader.read(path, columns.text, label):
        kept: list[tuple[str | None, str]] = []
        for text, raw in part:
            name = _class(raw, columns.names)
            if name is None:
                left_out[UNREADABLE if isinstance(text, Unreadable) else UNLABELLED] += 1
                continue
            kept.append((storable(text) if isinstance(text, str) else None, name))
        yield kept


def _class(raw: object, names: Sequence[str]) -> str | None:
    """Return a class as a string; a number without a name, usually -1, means a hidden label on the hub: None.

    A text that is one of the names is that name, even where it is a number (`ClassLabel` of the datasets library).
    """
    if raw in names:
        return str(raw)
    label = normalise(raw)
    if names and isinstance(label, int):
        return names[label] if 0 <= label < len(names) else None
    return None if label is None else str(label)


def _columns(path: Path) -> dict[str, bool]:
    """Return the columns of a file, and whether each may contain texts; only Parquet has types that rule it out."""
    suffix = compressed.suffix_of(path)
    if suffix in (csv := plugins.load("readers", "csv")).SUFFIXES:
        return dict.fromkeys(csv.columns(path), True)
    if suffix not in (".parquet", ".pq"):
        first_row = next(json_stream.values(path), None)
        return dict.fromkeys(first_row, True) if isinstance(first_row, dict) else {}
    is_text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
    return {field.name: any(kind(field.type) for kind in is_text) for field in _schema(path)}


def _schema(path: Path) -> pa.Schema:
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError(f"{path} is not a Parquet file: {str(error).splitlines()[0]}") from None


def _names_in_file(path: Path) -> Names:
    parquet = plugins.load("readers", "parquet")
    names: Names = parquet.class_names(path) if path.suffix.lower() in parquet.SUFFIXES else {}
    return names


def _names_in_card(card: Mapping[str, Any], subset: str) -> dict[str, Sequence[str]]:
    """Return the class names that a card gives for a subset; `dataset_info` is one description or a list of them."""
    described = card.get("dataset_info")
    infos = described if isinstance(described, list) else [described]
    names: dict[str, Sequence[str]] = {}
    for info in infos:
        if isinstance(info, dict) and (len(infos) == 1 or info.get("config_name", subset) == subset):
            for feature in info.get("features") or []:
                names |= _names_of(feature)
    return names


def _names_of(feature: Any) -> dict[str, Sequence[str]]:
    try:
        names = feature["dtype"]["class_label"]["names"]
        ordered = [names[key] for key in sorted(names, key=int)] if isinstance(names, dict) else list(names)
        return {feature["name"]: [str(name) for name in ordered]}
    except (KeyError, TypeError, ValueError):  # another kind of column
        return {}
