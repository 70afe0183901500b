"""Raw parts into one dataset: the same bytes every time, every wrong record named, whole whenever it is killed."""

import hashlib
import itertools
import json
import logging
import shutil
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tithe import prepare
from tithe.errors import InputError, TitheError

Record = dict[str, Any]
OUTPUTS = ["combined_dataset.json", "combined_dataset.parquet", "output_to_symbol.json", "prepare_report.json"]


def write_part(path: Path, rows: list[Any], lines: bool = False) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows) if lines else json.dumps(rows, indent=1)
    path.write_text(text, encoding="utf-8")
    return path


def rows(*pairs: tuple[str, Any]) -> list[Record]:
    return [{"input": text, "output": label} for text, label in pairs]


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    """Two parts, three classes: an array and JSON lines."""
    folder = tmp_path / "data" / "raw"
    write_part(folder / "part_2.json", rows(("суп", "кухня"), ("moon", "space")), lines=True)
    write_part(folder / "part_1.json", rows(("goal", "sport"), ("orbit", "space"), ("cup", "sport")))
    return folder


@pytest.fixture
def out(raw: Path) -> Path:
    return raw.parent


def read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def merged_rows(out: Path) -> list[tuple[str, str]]:
    return [(record["input"], record["output"]) for record in read(out / "combined_dataset.json")]


def files(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}


# ---- symbols

SYMBOLS = [(0, []), (1, ["a"]), (26, ["z"]), (27, ["z", "aa"]), (53, ["az", "ba"]), (703, ["zz", "aaa"])]


@pytest.mark.parametrize(("count", "last"), SYMBOLS)
def test_symbols_known_answers(count: int, last: list[str]) -> None:
    found = prepare.symbols(count)
    assert len(set(found)) == len(found) == count
    assert found[count - len(last) :] == last
    assert found == sorted(found, key=lambda symbol: (len(symbol), symbol))


# ---- what is merged


def test_parts_become_one_dataset(raw: Path, out: Path) -> None:
    found = prepare.merge(raw, out)
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
    assert found == prepare.Merged(
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
    prepare.merge(raw, out)
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
    found = prepare.merge(raw / "part_1.json", tmp_path / "new" / "out")
    assert found.parts == {"part_1.json": 3}
    assert merged_rows(tmp_path / "new" / "out") == [("goal", "b"), ("orbit", "a"), ("cup", "b")]


LABELS: list[tuple[list[Any], dict[Any, int], str]] = [
    ([10, 9, -1], {-1: 1, 9: 1, 10: 1}, "cba"),
    ([2.0, 1, 1.0], {1: 2, 2: 1}, "baa"),
    (["10", "9", 9], {"10": 1, "9": 2}, "abb"),
    ([" b", "a", "b\n"], {"a": 1, "b": 2}, "bab"),
    (["half \ud83d", "a"], {"a": 1, "half ?": 1}, "ba"),
]


@pytest.mark.parametrize(("labels", "classes", "symbols"), LABELS, ids=[ascii(labels) for labels, *_ in LABELS])
def test_classes_have_the_order_of_a_label_map(
    tmp_path: Path, labels: list[Any], classes: dict[Any, int], symbols: str
) -> None:
    part = write_part(tmp_path / "part.json", rows(*(("text", label) for label in labels)))
    found = prepare.merge(part, tmp_path)
    assert list(found.classes.items()) == list(classes.items())
    assert list(read(found.mapping).items()) == list(zip(map(str, classes), "abc"[: len(classes)], strict=True))
    assert [symbol for _, symbol in merged_rows(tmp_path)] == list(symbols)


def test_a_text_keeps_every_character(raw: Path, out: Path) -> None:
    texts = [' "q" \\ \n\t\r', "\ufeffa\u2028b\x85c\x00", "👩\u200d🔬", "", "e\u0301", "half \ud83d pair", "\udc00"]
    write_part(raw / "part_3.json", rows(*((text, "space") for text in texts)))
    prepare.merge(raw, out)
    assert [text for text, _ in merged_rows(out)][5:] == texts
    assert len((out / "combined_dataset.json").read_bytes().split(b"\n")) == 5 + len(texts) + 3
    assert rb'{"input": "half \ud83d pair", "output": "a"}' in (out / "combined_dataset.json").read_bytes()
    column = pq.read_table(out / "combined_dataset.parquet").column("input").to_pylist()
    assert column[5:] == [*texts[:5], "half \ufffd pair", "\ufffd"]


def test_keys_that_are_left_out_are_said(raw: Path, out: Path, caplog: pytest.LogCaptureFixture) -> None:
    extra = [{"output": "space", "id": i, "input": "probe", "source": "web"} for i in range(3)]
    write_part(raw / "part_3.json", extra)
    with caplog.at_level(logging.WARNING, "tithe"):
        prepare.merge(raw, out)
    assert [record.getMessage() for record in caplog.records] == ["left out of every record: id, source"]
    assert read(out / "combined_dataset.json")[-1] == {"input": "probe", "output": "a"}
    assert read(out / "prepare_report.json")["keys_left_out"] == ["id", "source"]


def test_row_groups_have_a_known_size(raw: Path, out: Path) -> None:
    write_part(raw / "part_3.json", rows(*((str(i), "space") for i in range(20_000))))
    prepare.merge(raw, out)
    file = pq.ParquetFile(out / "combined_dataset.parquet").metadata
    assert [file.row_group(i).num_rows for i in range(file.num_row_groups)] == [8192, 8192, 20_005 - 2 * 8192]
    assert [text for text, _ in merged_rows(out)][5:] == [str(i) for i in range(20_000)]


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
        prepare.merge(raw, tmp_path / "out")
    assert str(caught.value) == (
        f"{raw / 'part_2.json'}, record 1: {reason}: {json.dumps(record)}: "
        "repair the file, or leave such records out with --skip-wrong"
    )
    assert not (tmp_path / "out").exists()


def test_the_first_wrong_record_is_named_and_the_others_are_counted(raw: Path, tmp_path: Path) -> None:
    write_part(raw / "part_2.json", [None, *rows(("x" * 500, ["long"])), 3])
    with pytest.raises(InputError, match=r"part_2\.json, record 0: not an object: null \(and 2 more wrong records\): "):
        prepare.merge(raw, tmp_path / "out")


def test_wrong_records_may_be_left_out(raw: Path, out: Path) -> None:
    broken = [{"input": "half \ud83d" + "x" * 500, "output": None}, *rows(("сад", "space")), "word"]
    write_part(raw / "part_3.json", broken)
    write_part(raw / "part_4.json", [None])
    found = prepare.merge(raw, out, skip_wrong=True)
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
    prepare.merge(raw, out, skip_wrong=True)
    assert (out / "rejected.jsonl").exists()
    (raw / "part_3.json").unlink()
    prepare.merge(raw, out, skip_wrong=True)
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
        prepare.merge(tmp_path / "raw", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_missing_folder_is_named_with_what_belongs_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r'no folder .*raw \(seen from .*\): put \*\.json files of {"input": text'):
        prepare.merge(tmp_path / "raw", tmp_path)


def test_a_broken_part_stops_before_anything_is_written(raw: Path, tmp_path: Path) -> None:
    (raw / "part_2.json").write_text('[\n  {"input": "a" "output": "b"}]')
    with pytest.raises(InputError, match=r"part_2\.json is not JSON at line 2, column 17: Expecting ',' delimiter"):
        prepare.merge(raw, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_is_written_is_never_what_is_read(raw: Path, out: Path) -> None:
    prepare.merge(raw, out)
    before = files(out)
    with pytest.raises(InputError, match="would be read and written"):
        prepare.merge(raw, raw / ".." / "raw")
    with pytest.raises(InputError, match=r"combined_dataset\.json would be read and written"):
        prepare.merge(out / "combined_dataset.json", out)
    with pytest.raises(InputError, match=r"part_1\.json is a file: pass the path of a folder"):
        prepare.merge(raw, raw / "part_1.json")
    assert files(out) == before
    assert sorted(files(raw)) == ["part_1.json", "part_2.json"]


@pytest.mark.parametrize("label", ["sport", "a new class"])
def test_parts_that_change_while_they_are_read_are_not_merged(
    raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch, label: str
) -> None:
    survey = prepare._survey

    def then_change(parts: list[Path]) -> Any:
        found = survey(parts)
        write_part(raw / "part_1.json", rows(("goal", label)))
        return found

    monkeypatch.setattr(prepare, "_survey", then_change)
    with pytest.raises(TitheError, match="changed while they were read"):
        prepare.merge(raw, out)
    assert files(out) == {}


# ---- the same bytes, whole at any moment


def test_the_same_parts_give_the_same_bytes(raw: Path, out: Path, tmp_path: Path) -> None:
    write_part(raw / "part_3.json", [None, *rows(*((f"текст {i}", "space") for i in range(9000)))])
    prepare.merge(raw, out, skip_wrong=True)
    before = files(out)
    prepare.merge(raw, out, skip_wrong=True)
    assert files(out) == before
    prepare.merge(raw, tmp_path / "elsewhere", skip_wrong=True)
    assert files(tmp_path / "elsewhere") == before


def whole_if_there(out: Path) -> bool:
    """Whether the rule holds: where the dataset stands, it is whole and fits the mapping beside it."""
    if not (out / "combined_dataset.json").exists():
        return True
    symbols = {symbol: label for label, symbol in read(out / "output_to_symbol.json").items()}
    return all(symbols[symbol] in text for text, symbol in merged_rows(out))


@pytest.fixture
def grown(tmp_path: Path) -> tuple[Path, Path, dict[str, bytes]]:
    """Raw parts whose symbols have all moved since they were merged, and what another run should leave.

    Every text holds its class.
    """
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_part(raw / "1.json", rows(("x sport x", "sport"), ("x space x", "space")))
    prepare.merge(raw, out)
    write_part(raw / "2.json", [*rows(("x art x", "art"), ("x кухня x", "кухня")), None])
    prepare.merge(raw, tmp_path / "expected", skip_wrong=True)
    return raw, out, files(tmp_path / "expected")


@pytest.mark.parametrize("fatal", range(1, 6))
def test_an_error_at_any_rename_leaves_nothing_that_does_not_fit(
    grown: tuple[Path, Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch, fatal: int
) -> None:
    raw, out, expected = grown
    replace, renames = Path.replace, 0

    def fail(path: Path, target: Path) -> Path:
        nonlocal renames
        # The list of wrong records and two JSON files are written aside by renaming too: only the last renames count.
        renames += target.name in expected
        if renames == fatal and target.name in expected:
            raise OSError("no space left")
        return replace(path, target)

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space left"):
        prepare.merge(raw, out, skip_wrong=True)
    monkeypatch.undo()
    assert not (out / "combined_dataset.json").exists()
    assert not list(out.glob(".partial-*"))
    prepare.merge(raw, out, skip_wrong=True)
    assert files(out) == expected


def test_a_failure_while_writing_leaves_what_was_there(
    grown: tuple[Path, Path, dict[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    raw, out, _ = grown
    before = files(out)

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(pq.ParquetWriter, "write_table", fail)
    with pytest.raises(OSError, match="no space left"):
        prepare.merge(raw, out, skip_wrong=True)
    assert files(out) == before


# Merges in one process for each folder; the i-th dies without a farewell before its i-th change of a name.
KILLED = """
import os, sys
from pathlib import Path
from tithe import prepare

calls = 0

def deadly(method, fatal):
    def call(path, *arguments, **options):
        global calls
        calls += 1
        if calls == fatal:
            os._exit(9)
        return method(path, *arguments, **options)
    return call

for i, out in enumerate(sys.argv[2:], start=1):
    if not os.fork():
        Path.replace, Path.unlink = deadly(Path.replace, i), deadly(Path.unlink, i)
        prepare.merge(Path(sys.argv[1]), Path(out), skip_wrong=True)
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
"""


def test_a_kill_at_any_moment_leaves_nothing_that_does_not_fit(
    grown: tuple[Path, Path, dict[str, bytes]], tmp_path: Path
) -> None:
    raw, out, expected = grown
    killed = [shutil.copytree(out, tmp_path / f"killed {i}") for i in range(20)]
    command = [sys.executable, "-c", KILLED, str(raw), *map(str, killed)]
    codes = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    finished = codes.count("0")
    assert codes == ["9"] * (20 - finished) + ["0"] * finished
    assert finished
    stands = [(folder / "combined_dataset.json").exists() for folder in killed]
    # The old dataset at first, then none, then the new one.
    assert [there for there, _ in itertools.groupby(stands)] == [True, False, True]
    assert all(map(whole_if_there, killed))
    for folder in killed:
        prepare.merge(raw, folder, skip_wrong=True)
        assert files(folder) == expected


# ---- memory


def peak(raw: Path, out: Path) -> int:
    tracemalloc.start()
    try:
        prepare.merge(raw, out)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_the_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prepare, "_ROWS", 256)
    monkeypatch.setattr("tithe.data.json_stream._CHUNK", 1 << 16)
    peaks = []
    for count in (5_000, 50_000):
        raw = tmp_path / str(count)
        write_part(raw / "a.json", rows(*((f"текст {i} of some words", str(i % 7)) for i in range(count))), lines=True)
        peaks.append(peak(raw, tmp_path / "out"))
    assert peaks[1] < peaks[0] + 300_000
    assert (tmp_path / "50000" / "a.json").stat().st_size > 5 * peaks[1]
