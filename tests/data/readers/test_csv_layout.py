"""Settings on how a CSV is written: delimiter, encoding, and names of columns where there is no header line."""

from pathlib import Path
from typing import Any

import pytest

from support.text_sets import GOOD, kept, load, write_jsonl, write_parquet
from tithe import config, data
from tithe.data import delimited
from tithe.errors import InputError

NAMES = {"column_names": ("label", "text")}
LAYOUTS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a bar": ("|", "text,long|label", {"delimiter": "|"}),
    "a semicolon that the header has once": (";", "text;label,text,label", {"delimiter": ";"}),
    "a tab": ("\t", "text\tlabel;x", {"delimiter": "\t"}),
    "a tab by name": ("\t", "text\tlabel", {"delimiter": "tab"}),
    "a tab as a shell has it": ("\t", "text\tlabel", {"delimiter": "\\t"}),
    "another encoding": (",", "text,label", {"encoding": "cp1251"}),
    "sixteen bits": (",", "text,label", {"encoding": "UTF16"}),
    "a mark of the byte order": (",", "text,label", {"encoding": "utf_8_sig"}),
    "all of it": ("|", "text|label", {"delimiter": "|", "encoding": "koi8-r"}),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_a_layout_is_read_as_set(tmp_path: Path, name: str) -> None:
    delimiter, header, settings = LAYOUTS[name]
    pairs = [*GOOD, ("хлеб, соль; вода", "кухня")]
    lines = [header, *(delimiter.join(f'"{value}"' for value in pair) for pair in pairs)]
    columns = dict(zip(("text_column", "label_column"), header.split(delimiter), strict=True))
    path = tmp_path / "rows.csv"
    path.write_bytes("\n".join(lines).encode(settings.get("encoding", "utf-8")))
    found = load(path, **columns, **settings)
    assert [(text, label) for _, text, label in kept(found)] == pairs


@pytest.mark.parametrize(("name", "delimiter"), [("rows.csv", ","), ("rows.csv", ";"), ("rows.tsv", "\t")])
def test_without_a_header_the_first_line_is_a_row(tmp_path: Path, name: str, delimiter: str) -> None:
    path = tmp_path / name
    path.write_text("".join(f"{label}{delimiter}{text}\n" for text, label in GOOD))
    found = load(path, **NAMES)
    assert kept(found) == [(row, text, label) for row, (text, label) in enumerate(GOOD)]


def test_without_a_header_a_line_of_one_column_is_a_text(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("good, but long; yes\nbad\n")
    with delimited.opened(tmp_path / "rows.csv", config.Layout(column_names=("text",))) as table:
        assert list(table.rows()) == [(1, ["good, but long; yes"]), (2, ["bad"])]


def test_an_unclosed_quote_without_a_header_costs_its_own_line(tmp_path: Path) -> None:
    lines = [f"{label}|{text}" for text, label in GOOD]
    lines[5] = 'dog|"Great film he said'
    (tmp_path / "rows.csv").write_bytes("\n".join(lines).encode("utf-16"))
    found = load(tmp_path / "rows.csv", encoding="utf-16", delimiter="|", **NAMES)
    assert [row for row, _, _ in kept(found)] == [row for row in range(20) if row != 5]


def test_another_layout_is_another_dataset(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in GOOD))
    plain = data.ingest(config.Data(path=str(path)))[0]
    assert data.ingest(config.Data(path=str(path), delimiter=","))[0].source != plain.source
    named = data.ingest(config.Data(path=str(path), column_names=("text", "label")))[0]
    assert len(named) == len(plain) + 1
    assert data.ingest(config.Data(path=str(path), encoding="UTF8"))[0].source == plain.source


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "too few names": ({"column_names": ("text",), "delimiter": ","}, "2 fields in its first line, and data.column_na"),
    "too many names": ({"column_names": ("text", "a", "label")}, "2 fields in its first line, and data.column_names 3"),
    "a column of another name": ({"column_names": ("text", "topic")}, "has no column 'label' (data.label_column)"),
    "another delimiter": ({"delimiter": "|"}, "has no column 'text' (data.text_column)"),
    "another encoding": ({"encoding": "ascii"}, "is not ASCII (byte 11): set data.encoding"),
    "thirty-two bits": ({"encoding": "utf-32"}, "is not UTF-32 (byte 0)"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_layout_that_does_not_fit_is_refused_in_one_line(tmp_path: Path, name: str) -> None:
    settings, says = WRONG[name]
    (tmp_path / "rows.csv").write_text("text,label\nпривет,a\n")
    with pytest.raises(InputError) as caught:
        data.ingest(config.Data(path=str(tmp_path / "rows.csv"), **settings))
    assert says in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("write", [write_parquet, write_jsonl])
@pytest.mark.parametrize(
    ("settings", "shown"),
    [({"delimiter": ";"}, "delimiter ';'"), ({"encoding": "cp1251"}, "encoding 'cp1251'"), (NAMES, "label,text")],
)
def test_other_formats_have_no_layout(tmp_path: Path, write: Any, settings: dict[str, Any], shown: str) -> None:
    path = write(tmp_path / f"rows.{write.__name__.removeprefix('write_')}", GOOD)
    with pytest.raises(InputError, match=rf"{shown}.* is not for a file such as .*rows\.\w+: leave it out"):
        data.find_sources(config.Data(path=str(path), **settings))


INVALID = {
    "delimiter='||'": "data.delimiter = '||' must be one character such as ',', ';' or '|', or tab",
    "delimiter=''": "must be one character",
    "delimiter=|": """or tab; --set takes it as 'data.delimiter="|"'""",
    "delimiter='\"'": "must be one character",
    'delimiter="\\n"': "must be one character",
    "encoding=utf-9": "data.encoding = 'utf-9' must be an encoding that Python knows, for example one of utf-8",
    "encoding=base64": "must be an encoding that Python knows",
    "column_names=[text, text]": "must be different names",
    "column_names=[]": "data.column_names",
}


def test_a_delimiter_that_yaml_reads_otherwise_has_quotes_of_its_own() -> None:
    run = config.parse({"data": {"path": "rows.csv"}, "model": {"encoder": "minilm"}}, ['data.delimiter="|"'])
    assert run.data.delimiter == "|"


@pytest.mark.parametrize("setting", INVALID)
def test_a_wrong_setting_is_refused_with_the_choices(setting: str) -> None:
    with pytest.raises(InputError) as caught:
        config.parse({"data": {"path": "rows.csv"}}, [f"data.{setting}"])
    assert INVALID[setting] in str(caught.value)
