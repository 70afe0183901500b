"""JSON parts in a folder, read in order as one set of rows."""

import json
from pathlib import Path

import pytest

from tithe import plugins
from tithe.data.readers import Unreadable
from tithe.errors import InputError


def pairs(path: Path, text: str = "input", label: str | None = "output") -> list[tuple[object, object]]:
    reader = plugins.load("readers", "json_parts")
    return [pair for rows in reader.read(path, text, label) for pair in rows]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "raw"
    found.mkdir()
    (found / "part_1.json").write_text('[{"input": "хлеб", "output": "кухня"}, {"input": "goal", "output": 3}]')
    (found / "part_2.json").write_text('{"input": "moon", "output": 2.5}\n{"input": "cup", "output": ["sport"]}\n')
    return found


def test_a_folder_is_read_in_order(folder: Path) -> None:
    reader = plugins.load("readers", "json_parts")
    assert reader.SUFFIXES == (".json", ".json.gz", ".json.zst")
    assert reader.parts(folder) == [folder / "part_1.json", folder / "part_2.json"]
    assert pairs(folder) == [("хлеб", "кухня"), ("goal", 3), ("moon", 2.5), ("cup", ["sport"])]
    assert pairs(folder / "part_2.json") == [("moon", 2.5), ("cup", ["sport"])]
    assert pairs(folder, label=None) == [("хлеб", None), ("goal", None), ("moon", None), ("cup", None)]


def test_the_reader_gives_lists_of_a_known_size(folder: Path) -> None:
    (folder / "part_2.json").write_text(json.dumps([{"input": str(i), "output": i} for i in range(20_000)]))
    lists = list(plugins.load("readers", "json_parts").read(folder, "input", "output"))
    assert [len(rows) for rows in lists] == [8192, 8192, 20_002 - 2 * 8192]
    assert [text for rows in lists for text, _ in rows][2:] == [str(i) for i in range(20_000)]


@pytest.mark.parametrize(
    ("value", "shown"), [("[1, 2]", "[1, 2]"), ("null", "null"), ('"хлеб"', '"хлеб"'), ("true", "true")]
)
def test_what_is_no_object_is_unreadable(folder: Path, value: str, shown: str) -> None:
    (folder / "part_2.json").write_text(f'{{"input": "moon", "output": 1}}\n{value}')
    text, label = pairs(folder)[-1]
    assert isinstance(text, Unreadable)
    assert (text, label) == (shown, None)


def test_columns_that_no_object_has_are_refused(folder: Path) -> None:
    with pytest.raises(InputError, match=r"raw has no key 'inputs' \(data\.text_column\): did you mean 'input'\?"):
        pairs(folder, text="inputs")
    with pytest.raises(InputError, match=r"has no key 'topic' \(data\.label_column\): choose one of input, output"):
        pairs(folder, label="topic")


def test_a_folder_without_parts_is_refused(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").touch()
    with pytest.raises(InputError, match=r"has no \*\.json file: pass a folder that has"):
        pairs(tmp_path)


def test_a_broken_part_is_named(folder: Path) -> None:
    (folder / "part_2.json").write_text('[\n{"input": "moon"')
    with pytest.raises(InputError, match=r"part_2\.json is not JSON at line 2, column 17"):
        pairs(folder)
