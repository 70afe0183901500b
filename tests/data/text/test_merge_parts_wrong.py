"""Every wrong record is named, and what can't be merged is left alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from support.raw_parts import OUTPUTS, Record, files, merged_rows, read, rows, write_part
from tithe.data.text import merge_parts
from tithe.errors import InputError, TitheError

# ---- wrong records


WRONG = [
    ([1, 2], "not an object"),
    (None, "not an object"),
    ({}, "no 'input'"),
    ({"text": "a", "output": "space"}, "no 'input'"),
    ({"input": "a"}, "no 'output'"),
    ({"input": 5, "output": "space"}, "'input' is not a string"),
    ({"input": None, "output": "space"}, "'input' is not a string"),
    ({"input": "a", "output": None}, "'output' is null"),
    ({"input": "a", "output": " \n"}, "'output' is blank"),
    ({"input": "a", "output": True}, "'output' is neither a string nor a whole number"),
    ({"input": "a", "output": 0.5}, "'output' is neither a string nor a whole number"),
    ({"input": "a", "output": float("nan")}, "'output' is neither a string nor a whole number"),
    ({"input": "a", "output": float("inf")}, "'output' is neither a string nor a whole number"),
    ({"input": "a", "output": ["space"]}, "'output' is neither a string nor a whole number"),
]


@pytest.mark.parametrize(("record", "reason"), WRONG, ids=[repr(record) for record, _ in WRONG])
def test_a_wrong_record_is_named_and_nothing_is_written(raw: Path, tmp_path: Path, record: Any, reason: str) -> None:
    write_part(raw / "part_2.json", [*rows(("sun", "space")), record])
    with pytest.raises(InputError) as caught:
        merge_parts.merge(raw, tmp_path / "out")
    assert str(caught.value) == (
        f"{raw / 'part_2.json'}, record 1: {reason}: {json.dumps(record)}: "
        "repair the file, or leave such records out with --skip-wrong"
    )
    assert not (tmp_path / "out").exists()


def test_the_first_wrong_record_is_named_and_the_others_are_counted(raw: Path, tmp_path: Path) -> None:
    write_part(raw / "part_2.json", [None, *rows(("x" * 500, ["long"])), 3])
    with pytest.raises(
        InputError, match=r"part_2\.json, record 0: not an object: null \(and 2 more invalid records\): "
    ):
        merge_parts.merge(raw, tmp_path / "out")


def test_wrong_records_may_be_left_out(raw: Path, out: Path) -> None:
    broken = [{"input": "half \ud83d" + "x" * 500, "output": None}, *rows(("сад", "space")), "word"]
    write_part(raw / "part_3.json", broken)
    write_part(raw / "part_4.json", [None])
    found = merge_parts.merge(raw, out, skip_wrong=True)
    assert (found.records, found.wrong) == (6, 3)
    assert found.parts == {"part_1.json": 3, "part_2.json": 2, "part_3.json": 1, "part_4.json": 0}
    assert merged_rows(out)[5:] == [("сад", "a")]
    listed = [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    long = '{"input": "half ?' + "x" * 183
    assert listed == [
        {"file": "part_3.json", "index": 0, "reason": "'output' is null", "excerpt": long},
        {"file": "part_3.json", "index": 2, "reason": "not an object", "excerpt": '"word"'},
        {"file": "part_4.json", "index": 0, "reason": "not an object", "excerpt": "null"},
    ]
    report = read(out / "prepare_report.json")
    assert report["wrong_records"] == {"not an object": 2, "'output' is null": 1}
    assert [(part["records"], part["wrong"]) for part in report["parts"]] == [(3, 0), (2, 0), (1, 2), (0, 1)]


def test_a_run_without_wrong_records_clears_the_list_of_an_earlier_one(raw: Path, out: Path) -> None:
    write_part(raw / "part_3.json", [None])
    merge_parts.merge(raw, out, skip_wrong=True)
    assert (out / "rejected.jsonl").exists()
    (raw / "part_3.json").unlink()
    merge_parts.merge(raw, out, skip_wrong=True)
    assert sorted(files(out)) == OUTPUTS


# ---- what can't be merged


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ([[]], "no records: a classifier needs at least two classes"),
        ([rows(("a", "x")), rows(("b", "x "))], r"one class only \('x'\): a classifier needs at least two classes"),
        ([], r"has no parts: put \*\.json files of {\"input\": text, \"output\": class} records there"),
    ],
)
def test_too_little_to_merge(tmp_path: Path, parts: list[list[Record]], says: str) -> None:
    (tmp_path / "raw").mkdir()
    for i, part in enumerate(parts):
        write_part(tmp_path / "raw" / f"{i}.json", part)
    with pytest.raises(InputError, match=says):
        merge_parts.merge(tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_is_named_with_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'no folder .*raw \(seen from .*\): put \*\.json files of {"input": text'):
        merge_parts.merge(tmp_path / "raw", tmp_path)


def test_a_broken_part_stops_before_anything_is_written(raw: Path, tmp_path: Path) -> None:
    (raw / "part_2.json").write_text('[\n  {"input": "a" "output": "b"}]')
    with pytest.raises(InputError, match=r"part_2\.json is not JSON at line 2, column 17: Expecting ',' delimiter"):
        merge_parts.merge(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_written_is_never_what_is_read(raw: Path, out: Path) -> None:
    merge_parts.merge(raw, out)
    before = files(out)
    with pytest.raises(InputError, match="would be both read and written"):
        merge_parts.merge(raw, raw / ".." / "raw")
    with pytest.raises(InputError, match=r"combined_dataset\.json would be both read and written"):
        merge_parts.merge(out / "combined_dataset.json", out)
    with pytest.raises(InputError, match=r"part_1\.json: it is not a folder: choose another path"):
        merge_parts.merge(raw, raw / "part_1.json")
    assert files(out) == before
    assert sorted(files(raw)) == ["part_1.json", "part_2.json"]


@pytest.mark.parametrize("label", ["sport", "a new class"])
def test_parts_that_change_while_they_are_read_are_not_merged(
    raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    survey = merge_parts._survey

    def then_change(parts: list[Path]) -> Any:
        found = survey(parts)
        write_part(raw / "part_1.json", rows(("goal", label)))
        return found

    monkeypatch.setattr(merge_parts, "_survey", then_change)
    with pytest.raises(TitheError, match="changed while they were read"):
        merge_parts.merge(raw, out)
    assert files(out) == {}
