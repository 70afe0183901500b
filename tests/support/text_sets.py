"""One content in three formats, and what became of it once it is loaded."""

import csv
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tithe import config, data
from tithe.data.splits import Splits

Pairs = list[tuple[Any, Any]]


def write_parquet(path: Path, pairs: Pairs, text: str = "text", label: str = "label") -> Path:
    pq.write_table(pa.table({text: [pair[0] for pair in pairs], label: [pair[1] for pair in pairs]}), path)
    return path


def write_csv(path: Path, pairs: Pairs, text: str = "text", label: str = "label") -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([(text, label), *(("" if v is None else v for v in pair) for pair in pairs)])
    return path


def write_jsonl(path: Path, pairs: Pairs, text: str = "text", label: str = "label") -> Path:
    path.write_text("".join(json.dumps({text: t, label: y}) + "\n" for t, y in pairs), encoding="utf-8")
    return path


def write_json(path: Path, pairs: Pairs, text: str = "text", label: str = "label") -> Path:
    path.write_text(json.dumps([{text: t, label: y} for t, y in pairs]), encoding="utf-8")
    return path


WRITERS: dict[str, Callable[..., Path]] = {
    "parquet": write_parquet,
    "csv": write_csv,
    "jsonl": write_jsonl,
    "json": write_json,
}
GOOD: Pairs = [(f"sound text {i}", ["cat", "dog"][i % 2]) for i in range(20)]


def load(path: Path, seed: int = 0, **settings: Any) -> Splits:
    return data.load(config.Data(path=str(path), **settings), seed)


def kept(splits: Splits) -> list[tuple[int, str, Any]]:
    """(row in the file, cleaned text, label) of every kept row."""
    names = [splits.labels.names[c] for c in splits.rows.labels]
    return list(zip(splits.rows.ids.tolist(), splits.rows.inputs(), names, strict=True))


def dropped(splits: Splits) -> list[tuple[int, str]]:
    return [(line["row"], line["reason"]) for line in map(json.loads, lines(splits.dropped))]


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split("\n")[:-1]


def account_adds_up(splits: Splits) -> bool:
    report, listed = splits.report, dropped(splits)
    return (
        report["rows_read"] == report["rows_kept"] + sum(report["dropped"].values())
        and report["rows_kept"] == len(splits.rows) == sum(report["classes"].values())
        and report["dropped"] == dict(Counter(reason for _, reason in listed))
        and sorted([row for row, _ in listed] + splits.rows.ids.tolist()) == list(range(report["rows_read"]))
    )
