"""JSON lines that can't be read, and what no encoder can write."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.text_sets import GOOD, account_adds_up, dropped, lines, load, write_jsonl
from tithe import storage


def test_unreadable_json_lines_are_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("ab") as file:
        file.write(b'{"text": "cut\n[1]\nnull\n"word"\n\xff\xfe\n{"text": 5, "label": "cat"}\n')
        file.write(b'{"text": "null", "label": null}\n{"label": "cat"}\n{"text": "cut", "lab')
    found = load(path)
    assert dropped(found) == [
        *((row, "unreadable") for row in range(20, 25)),
        (25, "not_text"),
        (26, "missing_label"),
        (27, "missing_text"),
        (28, "unreadable"),
    ]
    assert account_adds_up(found)
    assert json.loads(lines(found.dropped)[0])["text"] == '{"text": "cut'


def test_a_json_line_nested_beyond_reason_is_unreadable(tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("ab") as file:
        file.write(b"[" * 200_000 + b"\n")
    assert dropped(load(path)) == [(20, "unreadable")]


@pytest.mark.parametrize(
    "row",
    [
        {"text": "half a pair \ud800", "label": None},
        {"text": "half a pair \ud800", "label": "cat"},
        {"text": "whole", "label": "half \ud800"},
        {"text": "line\u2028and\x85end", "label": None},
    ],
    ids=["dropped", "kept", "in the label", "separators"],
)
def test_what_no_encoder_can_write_does_not_stop_the_reading(tmp_path: Path, row: dict[str, Any]) -> None:
    path = write_jsonl(tmp_path / "rows.jsonl", GOOD)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    found = load(path)
    assert account_adds_up(found)
    assert len(storage.read_lines(found.dropped)) == len(dropped(found))
