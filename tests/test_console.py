"""Nothing that is printed steers a terminal."""

from __future__ import annotations

import json
import logging

import pytest

from tithe import console, storage

HOSTILE = "a\x1b[2Jb\x9b1mc\u202ed\x07e\ud800f"
ESCAPED = "a\\x1b[2Jb\\x9b1mc\\u202ed\\x07e\\ud800f"


def test_escape_sequences_are_shown_and_not_obeyed() -> None:
    assert console.printable(HOSTILE) == console.lines(HOSTILE) == ESCAPED
    assert console.printable("one\ntwo\tthree é 😀") == "one\\ntwo\\tthree é 😀"
    assert console.lines("one\ntwo\tthree") == "one\ntwo\tthree"


def test_json_stays_json_on_one_line() -> None:
    text = console.json_text({"t": HOSTILE + "\u2028\x85"})
    assert json.loads(text) == {"t": HOSTILE + "\u2028\x85"} and len(text.splitlines()) == 1
    assert "\x9b" not in text and "\u202e" not in text


def test_a_log_message_is_one_line() -> None:
    record = logging.LogRecord("tithe", logging.INFO, "", 0, "reading %s", ("a\nb\x1b",), None)
    assert console.one_line(record) and record.getMessage() == "reading a\\nb\\x1b"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=cmd|' /C calc'!A0", "'=cmd|' /C calc'!A0"),
        ("+1-2", "'+1-2"),
        ("-a", "'-a"),
        ("@SUM(1)", "'@SUM(1)"),
        ("\t=1", "'\t=1"),
        ("-1.5", "-1.5"),
        ("+79161234567", "+79161234567"),
        ("-1e-5", "-1e-5"),
        (-1.5, -1.5),
        ("plain = text", "plain = text"),
        ("", ""),
        (None, None),
    ],
)
def test_no_cell_is_a_formula_and_numbers_stay_numbers(value: object, cell: object) -> None:
    assert storage.csv_cell(value) == cell


NOUNS = {(0, "row"): "0 rows", (1, "row"): "1 row", (2, "class"): "2 classes", (0.5, "row"): "0.5 rows"}


@pytest.mark.parametrize("number, noun", NOUNS)
def test_a_number_and_its_noun(number: float, noun: str) -> None:
    assert console.counted(number, noun) == NOUNS[number, noun]
