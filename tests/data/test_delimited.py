"""Delimited files: dialects, numbers of lines, and quotes that are never closed."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tithe.data import delimited
from tithe.data.readers import Unreadable
from tithe.errors import InputError


def rows(path: Path) -> list[tuple[int, delimited.Row]]:
    with delimited.opened(path) as table:
        return list(table.rows())


def written(folder: Path, *lines: str, end: str = "\n") -> Path:
    (folder / "rows.csv").write_bytes("".join(line + end for line in lines).encode())
    return folder / "rows.csv"


def cut(path: Path) -> list[tuple[int, str]]:
    """The lines that could not be read; the others are whole."""
    with delimited.opened(path) as table:
        read = list(table.rows())
        assert all(isinstance(row, Unreadable) or len(row) == len(table.header) for _, row in read)
    assert all(row.line == line for line, row in read if isinstance(row, Unreadable))
    return [(line, str(row)) for line, row in read if isinstance(row, Unreadable)]


HEADERS = {
    "text,label": ["text", "label"],
    "text;label": ["text", "label"],
    "text\tlabel": ["text", "label"],
    "\ufefftext,label": ["text", "label"],
    '\ufeff"text";"label"': ["text", "label"],
    '"text, long",label;x': ["text, long", "label;x"],
    '"text, long";label': ["text, long", "label"],
    '"a,b,c"\t"d;e"': ["a,b,c", "d;e"],
    '"a ""b"", c";label': ['a "b", c', "label"],
    '"text\nlong",label': ["text\nlong", "label"],
    "text": ["text"],
    '"a, b"': ["a, b"],
    "text,": ["text", ""],
    '"text,label': ["text,label"],
    "": [],
}


@pytest.mark.parametrize(("line", "header"), HEADERS.items(), ids=map(repr, HEADERS))
def test_the_delimiter_is_found_outside_quotes(tmp_path: Path, line: str, header: list[str]) -> None:
    with delimited.opened(written(tmp_path, line)) as table:
        assert table.header == header
        assert list(table.rows()) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_rows_have_the_numbers_of_their_lines(tmp_path: Path, end: str) -> None:
    long = f'"two{end}{end}lines, and ""more""{end}",b'
    lines = ["text,label", "one,a", "", long, 'half a "quote,c', "a,b,c", "six,a"]
    assert rows(written(tmp_path, *lines, end=end)) == [
        (2, ["one", "a"]),
        (4, [f'two{end}{end}lines, and "more"{end}', "b"]),
        (8, ['half a "quote', "c"]),
        (9, "a,b,c"),
        (10, ["six", "a"]),
    ]


def test_nul_bytes_are_characters(tmp_path: Path) -> None:
    assert rows(written(tmp_path, "text,label", "a\0b,c\0")) == [(2, ["a\0b", "c\0"])]


def table(delimiter: str, columns: tuple[str, ...]) -> list[list[str]]:
    """A header and sixty rows; the first half of the file is of one class."""
    values = [{"id": f"{i}", "text": f"film number {i}", "label": "neg" if i < 30 else "pos"} for i in range(60)]
    return [list(columns), *([row[column] for column in columns] for row in values)]


ORDERS = [("text", "label"), ("label", "text"), ("id", "text", "label"), ("id", "text")]
# Fields of some rows that break the quotes: (row, column, what stands there).
BROKEN = {
    "one, up to the end": [(10, "text", '"Great film')],
    "one in the first row": [(1, "text", '"Great film')],
    "one in the last row": [(60, "text", '"Great film')],
    "two apart": [(10, "text", '"Great film'), (50, "text", '"Awful film')],
    "two in a row": [(10, "text", '"Great film'), (11, "text", '"Awful film')],
    "many": [(row, "text", '"Great film') for row in range(5, 60, 7)],
    "with the delimiter": [(10, "text", '"Great{mark} film'), (50, "text", '"Awful{mark} film')],
    "with pairs of quotes": [(10, "text", '"Great ""film""'), (20, "text", 'no ""film""'), (50, "text", '"Awful')],
    "closed by a word in quotes": [(10, "text", '"Great film'), (50, "text", 'he said "no" twice')],
    "closed by inches": [(10, "text", '"Great film'), (50, "text", 'a pipe of 5"')],  # as if by RFC 4180
}
# Without a column of few values, nothing tells the lines of a valid text from rows.
UNKNOWABLE = ("closed by inches", ORDERS[-1])
CASES = [(kind, order) for kind in BROKEN for order in ORDERS if (kind, order) != UNKNOWABLE]


@pytest.mark.parametrize(("delimiter", "end"), [(",", "\n"), (";", "\r\n"), ("\t", "\n")], ids=repr)
@pytest.mark.parametrize(("kind", "columns"), CASES, ids=str)
def test_an_unclosed_quote_costs_its_own_line(
    tmp_path: Path, kind: str, delimiter: str, end: str, columns: tuple[str, ...]
) -> None:
    lines = table(delimiter, columns)
    changes = BROKEN[kind]
    for row, column, field in changes:
        lines[row][columns.index(column)] = field.format(mark=delimiter)
    path = written(tmp_path, *(delimiter.join(line) for line in lines), end=end)
    found = rows(path)
    opening = [row + 1 for row, _, field in changes if field.startswith('"')]
    assert [line for line, _ in found] == list(range(2, 62)), "every line is a row"
    assert cut(path) == [(line, delimiter.join(lines[line - 1])) for line in opening]
    whole = [(line, row) for line, row in found if line not in opening]
    assert whole == [(i, line) for i, line in enumerate(lines, 1) if i > 1 and i not in opening]


@pytest.mark.parametrize(
    ("lines", "number"),
    [
        (["a film,pos"] * 8 + ['a film,"pos'] + ["film,neg"] * 30, 10),
        (["a film,pos"] * 8 + ['a film,"pos'] + ["film,neg"] * 30 + ['a film,"neg"'], 10),
        (['"a film","pos"'] * 8 + ['"a film","pos'] + ['"film","neg"'] * 30, 10),
        (['a film,"pos'], 2),
    ],
    ids=["label", "label, closed", "all quoted", "the last line"],
)
def test_an_unclosed_quote_in_the_last_column_costs_its_own_line(tmp_path: Path, lines: list[str], number: int) -> None:
    path = written(tmp_path, "text,label", *lines)
    assert cut(path) == [(number, lines[number - 2])] and len(rows(path)) == len(lines)


def test_a_text_cut_off_by_the_end_of_the_file_is_one_row(tmp_path: Path) -> None:
    path = written(tmp_path, "text,label", *["a film,pos", "film,neg"] * 5, '"A letter', "", "Dear all, hello", "I am")
    assert [line for line, _ in cut(path)] == [12] and len(rows(path)) == 11


LETTERS = [
    "Dear all, hello\nbye",
    "Well, this is\na film",
    "a\nb, c\nd",
    "\n\n",
    "he wrote:\ngood,pos\nbad,neg",
    "good,pos\nbad,neg\n",
    "milk, eggs\nbread, salt\nhoney",
    'she said "no, pos"\nand left, neg',
    "good,pos\nbad",
    "Food: 4,pos\nRooms: 3,neg\nSea: 5,pos\nThank you",
    'text,label\nfilm,""\nend',
    "\n".join(f"one, line {i}" for i in range(50)) + "\nend",
]


@pytest.mark.parametrize("text", LETTERS)
@pytest.mark.parametrize("columns", ORDERS, ids=",".join)
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=repr)
def test_texts_of_several_lines_are_read_as_they_are(
    tmp_path: Path, text: str, columns: tuple[str, ...], end: str
) -> None:
    lines = table(",", columns)
    for row in (1, 20, 21, 60):
        lines[row][columns.index("text")] = text.replace("\n", end)
    with (tmp_path / "rows.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator=end).writerows(lines)
    assert [row for _, row in rows(tmp_path / "rows.csv")] == lines[1:]


def test_what_follows_a_closing_quote_is_part_of_the_text(tmp_path: Path) -> None:
    lines = ["a film,pos", '"line one\nline two" tail,neg', '"one" tail,pos', '"two\nlines",neg,more']
    path = written(tmp_path, "text,label", *lines)
    assert rows(path) == [
        (2, ["a film", "pos"]),
        (3, ["line one\nline two tail", "neg"]),
        (5, ["one tail", "pos"]),
        (6, "two\nlines,neg,more"),
    ]


def test_a_line_of_one_column_is_a_text_as_it_is(tmp_path: Path) -> None:
    lines = ["good film", "bad film, awful; dull", '"quoted, too"', '"Great film, he said', 'no "quote"', "5\tinches"]
    path = written(tmp_path, "text", *lines, '"two', 'lines"')
    texts = [row if isinstance(row, Unreadable) else row[0] for _, row in rows(path)]
    assert texts == [*lines[:2], "quoted, too", *lines[3:], "two\nlines"]
    assert cut(path) == [(5, '"Great film, he said')]


def test_other_bytes_are_an_input_error(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_bytes(b"text,label\n" + b"a,b\n" * 10_000 + b"\xff,b\n")
    with pytest.raises(InputError, match=r"rows\.csv is not UTF-8"):
        rows(tmp_path / "rows.csv")
