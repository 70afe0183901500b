"""Merge raw JSON parts of `input` and `output` records into one dataset whose classes have short symbols."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import string
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import storage
from tithe.data import json_stream
from tithe.data.labels import Label, LabelMap, normalise, storable
from tithe.errors import InputError, TitheError
from tithe.progress import bar

logger = logging.getLogger("tithe")

DATASET = "combined_dataset.json"
MAPPING = "output_to_symbol.json"
PARQUET = "combined_dataset.parquet"
REPORT = "prepare_report.json"
REJECTED = "rejected.jsonl"

_KEYS = frozenset(("input", "output"))
_SCHEMA = pa.schema([("input", pa.string()), ("output", pa.string())])
_PLAIN = json.JSONEncoder(ensure_ascii=False)
_ESCAPED = json.JSONEncoder()
_ROWS = 8192
_EXCERPT = 200
_SHOWN = 80
_EXPECTED = '*.json files of {"input": text, "output": class} records'


@dataclass(frozen=True)
class Merged:
    """The written files and their contents.

    Attributes
    ----------
    classes
        Records of each class, in the order of their symbols.
    parts
        Records taken from each file, in reading order.
    wrong
        Number of records left out.
    """

    dataset: Path
    mapping: Path
    parquet: Path
    records: int
    classes: dict[Label, int]
    parts: dict[str, int]
    wrong: int


@dataclass(frozen=True)
class _Wrong:
    """An invalid record: its index in its file from 0, the reason, and its first characters."""

    index: int
    reason: str
    excerpt: str


@dataclass
class _Survey:
    """Counts over all parts, collected before anything is written."""

    records: Counter[Path] = field(default_factory=Counter)
    wrong: Counter[Path] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    labels: Counter[Label] = field(default_factory=Counter)
    other_keys: set[str] = field(default_factory=set)
    first_wrong: str = ""


def symbols(count: int) -> list[str]:
    """Return the first symbols of a, b, …, z, aa, ab, …: numbers in bijective base 26."""
    words = (map("".join, itertools.product(string.ascii_lowercase, repeat=n)) for n in itertools.count(1))
    return list(itertools.islice(itertools.chain.from_iterable(words), count))


def merge(raw: Path, out: Path, skip_wrong: bool = False) -> Merged:
    """Merge the JSON files of a folder, sorted by name, or one file; memory use is constant.

    If `combined_dataset.json` exists in `out`, it is complete and matches `output_to_symbol.json`, even after the
    process was killed at any time; another run repairs the rest. The same parts give the same bytes.

    Parameters
    ----------
    raw
        Records have an `input`, a string, and an `output`, a string or a whole number. Classes are normalised as
        all labels are.
    out
        Folder to write to, created if missing.
    skip_wrong
        Leave invalid records out and list them in `rejected.jsonl`, instead of raising.

    Raises
    ------
    InputError
        There are no parts, a part is not JSON, a record is invalid, or there are fewer than two classes. Nothing was
        written.
    TitheError
        The parts changed while they were read.
    """
    if out.is_dir():
        storage.recover(out)
    parts = _parts(raw, out)
    survey = _survey(parts)
    if survey.first_wrong and not skip_wrong:
        others = survey.wrong.total() - 1
        more = f" (and {others} more invalid records)" if others else ""
        raise InputError(f"{survey.first_wrong}{more}: repair the file, or leave such records out with --skip-wrong")
    labels = LabelMap.of(survey.labels)
    if len(labels) < 2:
        problem = f"one class only ('{labels.names[0]}')" if len(labels) else "no records"
        raise InputError(f"{raw}: {problem}: a classifier needs at least two classes")
    if survey.other_keys:
        logger.warning("keys left out of every record: %s", ", ".join(map(storable, sorted(survey.other_keys))))
    return _write(parts, survey, labels, out)


def _parts(raw: Path, out: Path) -> list[Path]:
    if not raw.exists():
        raise InputError(f"no folder {raw} (seen from {Path.cwd()}): put {_EXPECTED} there")
    storage.check_writable_folder(out)
    if raw.resolve() in (out.resolve(), (out / DATASET).resolve()):
        raise InputError(f"{raw} would be both read and written: pass another output folder")
    parts = json_stream.parts(raw)
    if not parts:
        raise InputError(f"{raw} has no parts: put {_EXPECTED} there")
    return parts


def _survey(parts: list[Path]) -> _Survey:
    survey = _Survey()
    with bar("checking", len(parts), "parts") as tick:
        for part in parts:
            for record in _records(part, survey.other_keys):
                if not isinstance(record, _Wrong):
                    survey.records[part] += 1
                    survey.labels[record[1]] += 1
                    continue
                survey.wrong[part] += 1
                survey.reasons[record.reason] += 1
                if not survey.first_wrong:
                    survey.first_wrong = f"{part}, record {record.index}: {record.reason}: {record.excerpt[:_SHOWN]}"
            tick(1)
    return survey


def _records(part: Path, other_keys: set[str]) -> Iterator[tuple[str, Label] | _Wrong]:
    """Yield (input, label), or the problem of an invalid record; keys that are not read are added to `other_keys`."""
    values: Iterator[Any] = json_stream.values(part)
    for index, value in enumerate(values):
        checked = _checked(value)
        if isinstance(checked, str):
            yield _Wrong(index, checked, storable(json_stream.excerpt(value, _EXCERPT)))
            continue
        if len(value) > len(_KEYS):
            other_keys.update(value.keys() - _KEYS)
        yield checked


def _checked(value: Any) -> tuple[str, Label] | str:
    """Return (input, label) of a record, or its problem."""
    if not isinstance(value, dict):
        return "not an object"
    if missing := _KEYS - value.keys():
        return f"no '{min(missing)}'"
    text, output = value["input"], value["output"]
    if not isinstance(text, str):
        return "'input' is not a string"
    if output is None:
        return "'output' is null"
    # Other tools write 3 as 3.0 in a column with missing values.
    whole = isinstance(output, int | float) and not isinstance(output, bool) and output % 1 == 0
    if not (whole or isinstance(output, str)):
        return "'output' is neither a string nor a whole number"
    label = normalise(output)
    return "'output' is blank" if label is None else (text, label)


def _write(parts: list[Path], survey: _Survey, labels: LabelMap, out: Path) -> Merged:
    spellings = list(survey.labels)
    codes = labels.encode(spellings).tolist()
    names = symbols(len(labels))
    classes: dict[Label, int] = dict.fromkeys(labels.names, 0)
    for label, code in zip(spellings, codes, strict=True):
        classes[labels.names[code]] = survey.labels[label]
    first = [REJECTED] if survey.wrong else []
    with _in_order(out, [*first, REPORT, PARQUET, MAPPING, DATASET]) as aside:
        if survey.wrong:
            storage.write_lines(aside[REJECTED], _rejected(parts))
        storage.write_json(aside[MAPPING], dict(zip(map(str, labels.names), names, strict=True)))
        storage.write_json(aside[REPORT], _report(parts, survey, classes, names))
        symbol_of = {label: names[code] for label, code in zip(spellings, codes, strict=True)}
        _write_rows(parts, symbol_of, survey.labels, aside[DATASET], aside[PARQUET])
    taken = {storable(part.name): survey.records[part] for part in parts}
    total, wrong = survey.records.total(), survey.wrong.total()
    return Merged(out / DATASET, out / MAPPING, out / PARQUET, total, classes, taken, wrong)


@contextlib.contextmanager
def _in_order(out: Path, names: list[str]) -> Iterator[dict[str, Path]]:
    """Yield a temporary path for each name; if the block succeeds, rename all into place in the given order.

    An old file of the last name is removed before anything else changes, so that it never appears with files that it
    does not match.
    """
    with contextlib.ExitStack() as stack:
        # A stack exits in reverse order.
        aside = {name: stack.enter_context(storage.atomic_file(out / name)) for name in reversed(names)}
        yield aside
        for stale in (names[-1], REJECTED):
            (out / stale).unlink(missing_ok=True)


def _rejected(parts: list[Path]) -> Iterator[Mapping[str, object]]:
    for part in parts:
        wrong = (record for record in _records(part, set()) if isinstance(record, _Wrong))
        yield from ({"file": storable(part.name), **vars(record)} for record in wrong)


def _report(parts: list[Path], survey: _Survey, classes: dict[Label, int], names: list[str]) -> dict[str, object]:
    return {
        "records": survey.records.total(),
        "wrong_records": dict(survey.reasons.most_common()),
        "keys_left_out": [storable(key) for key in sorted(survey.other_keys)],
        "parts": [
            {
                "file": storable(part.name),
                "sha256": storage.sha256_file(part),
                "records": survey.records[part],
                "wrong": survey.wrong[part],
            }
            for part in parts
        ],
        "classes": {
            str(label): {"symbol": symbol, "records": count}
            for (label, count), symbol in zip(classes.items(), names, strict=True)
        },
    }


def _write_rows(
    parts: list[Path], symbol_of: dict[Label, str], expected: Counter[Label], dataset: Path, parquet: Path
) -> None:
    good = (record for part in parts for record in _records(part, set()) if not isinstance(record, _Wrong))
    written: Counter[Label] = Counter()
    with (
        bar("merging", expected.total(), "records") as tick,
        dataset.open("wb") as file,
        pq.ParquetWriter(parquet, _SCHEMA) as table,
    ):
        before = b"[\n"
        while chunk := list(itertools.islice(good, _ROWS)):
            written.update(label for _, label in chunk)
            rows = [(text, symbol_of.get(label, "")) for text, label in chunk]
            file.write(before + b",\n".join(_line(text, symbol) for text, symbol in rows))
            columns = [[_without_surrogates(text) for text, _ in rows], [symbol for _, symbol in rows]]
            table.write_table(pa.table(columns, schema=_SCHEMA))
            before = b",\n"
            tick(len(chunk))
        file.write(b"\n]\n")
    if written != expected:
        raise TitheError("the parts changed while they were read: retry when nothing is writing to them")


def _line(text: str, symbol: str) -> bytes:
    record = {"input": text, "output": symbol}
    try:
        return _PLAIN.encode(record).encode()
    except UnicodeEncodeError:  # an unpaired surrogate, which can only be written as an escape
        return _ESCAPED.encode(record).encode()


def _without_surrogates(text: str) -> str:
    """Return the text with unpaired surrogates, which Parquet cannot store, as U+FFFD."""
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
