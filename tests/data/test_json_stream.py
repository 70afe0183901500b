"""A JSON file value by value: the same as json.loads gives, wherever a chunk ends, and errors that name the place."""

import codecs
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from support.memory import peak_memory
from tithe.data import json_stream
from tithe.errors import InputError

Write = Callable[[str | bytes], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def to_file(content: str | bytes) -> Path:
        path = tmp_path / "part.json"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return to_file


def read(path: Path) -> list[object]:
    return list(json_stream.values(path))


def problem(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(f"{path} is not ")
    assert "\n" not in message
    return message.removeprefix(f"{path} is not ")


# Each reads otherwise, or not at all, when its end is cut off.
VALUES = [
    {"input": "суп и хлеб 🍞", "output": "кухня"},
    {"input": 'a "quoted" \\ word\n\t', "output": 12345678901234567890},
    [1, [2, [3, {"a": []}]], {}],
    "half a pair \ud83d",
    "", 0, -1, 123456, 1.5, -1.5e10, 1e-5, 3.0000000000000004, True, False, None, math.inf, -math.inf,
]  # fmt: skip
TEXTS = {
    "array": json.dumps(VALUES, ensure_ascii=False),
    "array with indents": json.dumps(VALUES, indent=4),
    "lines": "".join(json.dumps(value) + "\n" for value in VALUES),
    "lines of Cyrillic, no newline at the end": "\n".join(json.dumps(v, ensure_ascii=False) for v in VALUES),
    "CRLF": "\r\n".join(json.dumps(value) for value in VALUES),
    "white space": " \n\t\r\n".join(json.dumps(value, indent=1) for value in VALUES) + "  \n",
}


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "BOM"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_wherever_a_chunk_ends_the_values_are_the_same(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, mark: bytes
) -> None:
    content = mark + text.encode("utf-8", "surrogatepass").replace(b"\xed\xa0\xbd", rb"\ud83d")
    path = write(content)
    assert read(path) == VALUES
    for chunk in range(1, len(content) + 2):
        monkeypatch.setattr(json_stream, "_CHUNK", chunk)
        assert read(path) == VALUES, chunk


SHAPES: list[tuple[str | bytes, list[object]]] = [
    ("", []),
    (" \r\n\t ", []),
    (codecs.BOM_UTF8, []),
    (codecs.BOM_UTF8 + b"\n", []),
    ("[]", []),
    (" [ ] \n", []),
    ("[[]]", [[]]),
    ('{"a": [1, 2]}', [{"a": [1, 2]}]),
    ('{\n  "a": 1\n}\n{\n  "a": 2\n}\n', [{"a": 1}, {"a": 2}]),
    ("7", [7]),
    ("1 2\n3", [1, 2, 3]),
    ('{"a": 1, "a": 2}', [{"a": 2}]),
    ('"\ufeff"', ["\ufeff"]),
    ('"a\u2028b\u00a0c"', ["a\u2028b\u00a0c"]),
]


@pytest.mark.parametrize(("content", "found"), SHAPES, ids=[ascii(content) for content, _ in SHAPES])
def test_the_shapes_of_a_file(write: Write, content: str | bytes, found: list[object]) -> None:
    assert read(write(content)) == found


def test_what_python_calls_a_number_is_one(write: Write) -> None:
    found = read(write("[NaN, Infinity, -Infinity, 1e400]"))
    assert isinstance(found[0], float)
    assert math.isnan(found[0])
    assert found[1:] == [math.inf, -math.inf, math.inf]


def test_a_value_comes_before_what_is_broken_behind_it(write: Write) -> None:
    stream = json_stream.values(write('{"a": 1}\nbroken'))
    assert next(stream) == {"a": 1}
    with pytest.raises(InputError, match="line 2, column 1: Expecting value"):
        next(stream)


# ---- broken files


BROKEN = [
    ("[1, 2", 1, 6, "the array is never closed"),
    ("[1,\n 2\n", 3, 1, "the array is never closed"),
    ("[", 1, 2, "Expecting value"),
    ("[1,", 1, 4, "Expecting value"),
    ("[1, 2]]", 1, 7, "Extra data"),
    ('[1, 2]\n\n {"a": 1}', 3, 2, "Extra data"),
    ("[1]\n[2]", 2, 1, "Extra data"),
    ('[{"a": 1}\n {"a": 2}]', 2, 2, "Expecting ',' delimiter"),
    ("[1 2]", 1, 4, "Expecting ',' delimiter"),
    ("[,1]", 1, 2, "Expecting value"),
    ("]", 1, 1, "Expecting value"),
    ('{"a": 1},\n{"a": 2}', 1, 9, "Extra data"),
    ("007", 1, 2, "Extra data"),
    ('{"a": 1}{"a": 2}', 1, 9, "Extra data"),
    ('[\r\n{"a": 1},\r\n{"суп": "хлеб" "соль"}]', 3, 16, "Expecting ',' delimiter"),
    ('{"a" 1}', 1, 6, "Expecting ':' delimiter"),
    ("{a: 1}", 1, 2, "Expecting property name enclosed in double quotes"),
    ("{'a': 1}", 1, 2, "Expecting property name enclosed in double quotes"),
    ('{"a": 1', 1, 8, "Expecting ',' delimiter"),
    ('{"a": tru}', 1, 7, "Expecting value"),
    ('\n\n  {"a": "never closed', 3, 9, "Unterminated string"),
    ('["two\nlines"]', 1, 6, "Invalid control character"),
    (r'["\x41"]', 1, 3, r"Invalid \escape"),
    (r'["\u00zz"]', 1, 4, r"Invalid \uXXXX escape"),
    ("hello", 1, 1, "Expecting value"),
    ("-", 1, 1, "Expecting value"),
    ("# comment\n[1]", 1, 1, "Expecting value"),
    ("[" + " \n" * 50 + '"суп", oops]', 51, 8, "Expecting value"),
]


@pytest.mark.parametrize(("text", "line", "column", "says"), BROKEN, ids=[ascii(text)[:50] for text, *_ in BROKEN])
@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8], ids=["", "BOM"])
def test_a_broken_file_is_refused_and_the_place_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, text: str, line: int, column: int, says: str, mark: bytes
) -> None:
    content = mark + text.encode()
    path = write(content)
    for chunk in [1 << 20, *range(1, len(content) + 2)]:
        monkeypatch.setattr(json_stream, "_CHUNK", chunk)
        found = problem(path)
        assert found.startswith(f"JSON at line {line}, column {column}: {says}"), chunk
        assert found.endswith(": repair the file")
    with pytest.raises(json.JSONDecodeError) as caught:
        json.loads(text)
    if says != "the array is never closed" and "}{" not in text:
        assert (caught.value.lineno, caught.value.colno) == (line, column)


# Python 3.13 points at the comma, earlier ones behind it.
@pytest.mark.parametrize(("text", "line"), [("[1, 2,]", 1), ('[{"a": 1},\n]', 2), ('{"a": 1,}', 1), ("[[1,]]", 1)])
def test_a_trailing_comma_is_refused(write: Write, text: str, line: int) -> None:
    assert f"line {line}, column" in problem(write(text))


def test_the_line_is_counted_in_the_whole_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 1000)
    lines = [json.dumps({"input": "суп " * 20, "output": i}, ensure_ascii=False) for i in range(3000)]
    lines[2500] = lines[2500].replace('"output":', '"output"')
    assert problem(write("\n".join(lines))).startswith("JSON at line 2501, column 104: Expecting ':' delimiter")


# What stands before the byte is JSON, so that it is met first whatever the chunk.
NOT_UTF8 = [
    (b"\xff\xfe[\x001\x00]\x00", 0),
    ("суп".encode("cp1251"), 0),
    (codecs.BOM_UTF8 + b'["\xe9t\xe9"]', 5),
    ('["суп'.encode() + b"\xd0", 8),
    (b'["\xed\xa0\x80"]', 2),
    (b'["' + b"x" * 3000 + b'\xd0"]', 3002),
]


@pytest.mark.parametrize(("content", "byte"), NOT_UTF8, ids=[repr(content[:12]) for content, _ in NOT_UTF8])
@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 1000, 1 << 20])
def test_a_byte_that_is_not_utf8_is_named(
    write: Write, monkeypatch: pytest.MonkeyPatch, content: bytes, byte: int, chunk: int
) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", chunk)
    assert problem(write(content)) == f"UTF-8 at byte {byte}: save it as UTF-8"
    with pytest.raises(UnicodeDecodeError) as caught:
        content.decode()
    assert caught.value.start == byte


@pytest.mark.parametrize("text", ["[" * 200_000, '\n {"a":' * 100_000, "[1, " + "[" * 200_000])
def test_nesting_beyond_reason_is_refused(write: Write, text: str) -> None:
    assert "brackets are nested too deeply" in problem(write(text))


def test_a_number_that_python_refuses_to_read_is_refused(write: Write) -> None:
    assert problem(write("[1,\n " + "9" * 5000 + "]")).startswith(
        "JSON at line 2, column 2: a number has too many digits"
    )


# ---- costs


def test_a_huge_value_is_tried_a_few_times_only(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    class Decoder(json.JSONDecoder):
        def raw_decode(self, s: str, idx: int = 0) -> Any:
            tried.append(len(s))
            return super().raw_decode(s, idx)

    monkeypatch.setattr(json_stream, "_DECODER", Decoder())
    monkeypatch.setattr(json_stream, "_CHUNK", 1000)
    value = {"input": "x" * 1_000_000, "output": "y"}
    assert read(write(json.dumps([value, value]))) == [value, value]
    assert sum(tried) < 10 * 2_000_000


def peak(path: Path) -> int:
    with peak_memory() as peak:
        for _ in json_stream.values(path):
            pass
    return peak()


def test_memory_does_not_grow_with_the_file(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "_CHUNK", 1 << 14)
    record = {"input": "a text of some words " * 5, "output": "суп"}
    small, large = (peak(write(json.dumps([record] * count))) for count in (1000, 20_000))
    assert large < small + 20_000


# ---- parts and excerpts


def test_the_parts_of_a_folder_stand_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("b.json", "a.json", "B.JSON", "10.json", "9.json", ".partial-1-a.json", "c.jsonl", "notes.txt"):
        (tmp_path / name).touch()
    (tmp_path / "folder.json").mkdir()
    assert [part.name for part in json_stream.parts(tmp_path)] == ["10.json", "9.json", "B.JSON", "a.json", "b.json"]
    assert json_stream.parts(tmp_path / "c.jsonl") == [tmp_path / "c.jsonl"]


def test_an_excerpt_ends_where_it_is_told_to() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert json_stream.excerpt(deep, 20) == "[" * 20
    assert json_stream.excerpt({"суп": [1, "a\nb"]}, 80) == r'{"суп": [1, "a\nb"]}'
    while deep:  # a deep list is freed level by level
        deep = deep.pop()
