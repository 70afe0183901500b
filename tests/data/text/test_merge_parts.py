"""Raw parts into one dataset: symbols, classes, texts, and the memory that it takes."""

import hashlib
import logging
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.memory import peak_memory
from support.raw_parts import OUTPUTS, files, merged_rows, read, rows, write_part
from tithe.data.text import merge_parts

# ---- symbols


SYMBOLS = [(0, []), (1, ["a"]), (26, ["z"]), (27, ["z", "aa"]), (53, ["az", "ba"]), (703, ["zz", "aaa"])]


@pytest.mark.parametrize(("count", "last"), SYMBOLS)
def test_symbols_known_answers(count: int, last: list[str]) -> None:
    found = merge_parts.symbols(count)
    assert len(set(found)) == len(found) == count
    assert found[count - len(last) :] == last
    assert found == sorted(found, key=lambda symbol: (len(symbol), symbol))


# ---- what is merged


def test_parts_become_one_dataset(raw: Path, out: Path) -> None:
    found = merge_parts.merge(raw, out)
    assert (out / "combined_dataset.json").read_text(encoding="utf-8") == (
        "[\n"
        '{"input": "goal", "output": "b"},\n'
        '{"input": "orbit", "output": "a"},\n'
        '{"input": "cup", "output": "b"},\n'
        '{"input": "суп", "output": "c"},\n'
        '{"input": "moon", "output": "a"}\n'
        "]\n"
    )
    assert list(read(out / "output_to_symbol.json").items()) == [("space", "a"), ("sport", "b"), ("кухня", "c")]
    table = pq.read_table(out / "combined_dataset.parquet")
    assert table.schema.equals(pa.schema([("input", pa.string()), ("output", pa.string())]))
    assert [(row["input"], row["output"]) for row in table.to_pylist()] == merged_rows(out)
    assert found == merge_parts.Merged(
        dataset=out / "combined_dataset.json",
        mapping=out / "output_to_symbol.json",
        parquet=out / "combined_dataset.parquet",
        records=5,
        classes={"space": 2, "sport": 2, "кухня": 1},
        parts={"part_1.json": 3, "part_2.json": 2},
        wrong=0,
    )
    assert list(found.parts) == ["part_1.json", "part_2.json"]
    assert sorted(files(out)) == OUTPUTS


def test_the_report_says_what_was_read(raw: Path, out: Path) -> None:
    merge_parts.merge(raw, out)
    digests = [hashlib.sha256((raw / f"part_{i}.json").read_bytes()).hexdigest() for i in (1, 2)]
    assert read(out / "prepare_report.json") == {
        "records": 5,
        "wrong_records": {},
        "keys_left_out": [],
        "parts": [
            {"file": "part_1.json", "sha256": digests[0], "records": 3, "wrong": 0},
            {"file": "part_2.json", "sha256": digests[1], "records": 2, "wrong": 0},
        ],
        "classes": {
            "space": {"symbol": "a", "records": 2},
            "sport": {"symbol": "b", "records": 2},
            "кухня": {"symbol": "c", "records": 1},
        },
    }


def test_one_file_may_be_merged(raw: Path, tmp_path: Path) -> None:
    found = merge_parts.merge(raw / "part_1.json", tmp_path / "new" / "out")
    assert found.parts == {"part_1.json": 3}
    assert merged_rows(tmp_path / "new" / "out") == [("goal", "b"), ("orbit", "a"), ("cup", "b")]


LABELS: list[tuple[list[Any], dict[Any, int], str]] = [
    ([10, 9, -1], {-1: 1, 9: 1, 10: 1}, "cba"),
    ([2.0, 1, 1.0], {1: 2, 2: 1}, "baa"),
    (["10", "9", 9, "9.0"], {9: 3, 10: 1}, "baaa"),
    (["1", 1, "x"], {"1": 2, "x": 1}, "aab"),
    (["True", "false", "TRUE"], {"false": 1, "true": 2}, "bab"),
    (["cafe\u0301", "tea", "\ufeffcafé\u200b"], {"café": 2, "tea": 1}, "aba"),
    ([" b", "a", "b\n"], {"a": 1, "b": 2}, "bab"),
    (["half \ud83d", "a"], {"a": 1, "half ?": 1}, "ba"),
]


@pytest.mark.parametrize(("labels", "classes", "symbols"), LABELS, ids=[ascii(labels) for labels, *_ in LABELS])
def test_classes_have_the_order_of_a_label_map(
    tmp_path: Path, labels: list[Any], classes: dict[Any, int], symbols: str
) -> None:
    part = write_part(tmp_path / "part.json", rows(*(("text", label) for label in labels)))
    found = merge_parts.merge(part, tmp_path)
    assert list(found.classes.items()) == list(classes.items())
    assert list(read(found.mapping).items()) == list(zip(map(str, classes), "abc"[: len(classes)], strict=True))
    assert [symbol for _, symbol in merged_rows(tmp_path)] == list(symbols)


def test_a_text_keeps_every_character(raw: Path, out: Path) -> None:
    texts = [' "q" \\ \n\t\r', "\ufeffa\u2028b\x85c\x00", "👩\u200d🔬", "", "e\u0301", "half \ud83d pair", "\udc00"]
    write_part(raw / "part_3.json", rows(*((text, "space") for text in texts)))
    merge_parts.merge(raw, out)
    assert [text for text, _ in merged_rows(out)][5:] == texts
    assert len((out / "combined_dataset.json").read_bytes().split(b"\n")) == 5 + len(texts) + 3
    assert rb'{"input": "half \ud83d pair", "output": "a"}' in (out / "combined_dataset.json").read_bytes()
    column = pq.read_table(out / "combined_dataset.parquet").column("input").to_pylist()
    assert column[5:] == [*texts[:5], "half \ufffd pair", "\ufffd"]


def test_keys_that_are_left_out_are_said(raw: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    extra = [{"output": "space", "id": i, "input": "probe", "source": "web"} for i in range(3)]
    write_part(raw / "part_3.json", extra)
    with caplog.at_level(logging.WARNING, "tithe"):
        merge_parts.merge(raw, out)
    assert [record.getMessage() for record in caplog.records] == ["keys left out of every record: id, source"]
    assert read(out / "combined_dataset.json")[-1] == {"input": "probe", "output": "a"}
    assert read(out / "prepare_report.json")["keys_left_out"] == ["id", "source"]


def test_row_groups_have_a_known_size(raw: Path, out: Path) -> None:
    write_part(raw / "part_3.json", rows(*((str(i), "space") for i in range(20_000))))
    merge_parts.merge(raw, out)
    file = pq.ParquetFile(out / "combined_dataset.parquet").metadata
    assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [8192, 8192, 20_005 - 2 * 8192]
    assert [text for text, _ in merged_rows(out)][5:] == [str(i) for i in range(20_000)]


# ---- memory


def peak(raw: Path, out: Path) -> int:
    with peak_memory() as peak:
        merge_parts.merge(raw, out)
    return peak()


def test_memory_does_not_grow_with_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(merge_parts, "_ROWS", 128)
    monkeypatch.setattr("tithe.data.json_stream._CHUNK", 1 << 15)
    peaks = []
    for count in (2_500, 25_000):
        raw = tmp_path / str(count)
        write_part(raw / "a.json", rows(*((f"текст {i} of some words", str(i % 7)) for i in range(count))), lines=True)
        peaks.append(peak(raw, tmp_path / "out"))
    assert peaks[1] < peaks[0] + 150_000
    assert (tmp_path / "25000" / "a.json").stat().st_size > 5 * peaks[1]
