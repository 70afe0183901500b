"""Files predicted into files: formats, folders, and a command that is killed and run again."""

from __future__ import annotations

import datetime
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.text_sets import WRITERS
from tithe import config, pipeline
from tithe.data import sources
from tithe.errors import InputError, Interrupted
from tithe.predict import Answering, TextInput, TrainedModel, files, load, plain_tables, predict_files
from tithe.predict.inputs import open_inputs
from tithe.predict.unfinished import Unfinished
from tithe.predict.writers import Tables

ROWS = [(f"the goal of team {i}" if i % 3 else f"a rocket to moon {i}", "cat") for i in range(11)]
OWN = ["predicted_label", "probability", "abstained", "truncated", "p_space", "p_sport"]


@pytest.fixture(scope="module")
def home() -> list[Path]:
    """The run that all tests share, once there is one."""
    return []


@pytest.fixture
def model(home: list[Path], settings: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> TrainedModel:
    if not home:
        outcome = pipeline.train(config.parse(settings(train={"epochs": 1}, model={"freeze": "all"})))
        home.append(outcome.home)
    monkeypatch.setattr(files, "TEXTS_AT_ONCE", 3)
    return load(home[0], "cpu")


def rows_of(path: Path) -> list[dict[str, Any]]:
    return [dict(one.columns) for one in open_inputs(None, TextInput(path)).rows]


@pytest.mark.parametrize("kind", WRITERS)
def test_a_folder_gets_a_file_like_each_input_file(kind: str, model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "rows").mkdir()
    parts = [WRITERS[kind](tmp_path / "rows" / f"{i}.{kind}", ROWS[i * 6 : i * 6 + 6]) for i in range(2)]
    assert predict_files(model, TextInput(tmp_path / "rows"), tmp_path / "out", Answering()) == len(ROWS)
    written = sorted((tmp_path / "out").iterdir())
    assert [path.name for path in written] == [part.name for part in parts]
    for part, path in zip(parts, written, strict=True):
        before, after = rows_of(part), rows_of(path)
        assert [row["text"] for row in after] == [row["text"] for row in before]
        assert list(after[0]) == [*before[0], *OWN], "the columns of the input come first"
        assert [row[OWN[0]] for row in after] == [one.label for one in model.predict([row["text"] for row in before])]
    assert not list(tmp_path.glob(".*")), "nothing is left beside it"


def test_plain_lines_become_jsonl(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "rows.v2.txt.gz").write_bytes(gzip.compress(b"a goal\n\nthe moon"))
    predict_files(model, TextInput(tmp_path / "rows.v2.txt.gz"), tmp_path / "out", Answering(top_k=1))
    [row, empty, last] = rows_of(tmp_path / "out" / "rows.v2.jsonl.gz")
    assert list(row) == ["text", "label", "probability", "abstained", "truncated"]
    assert [row["text"], empty["text"], last["text"]] == ["a goal", "", "the moon"]


OUTPUTS = ["o.csv", "o.tsv.gz", "o.json", "o.jsonl.zst", "o.parquet"]


@pytest.mark.parametrize("name", OUTPUTS)
def test_killed_between_and_in_chunks_it_ends_in_the_same_bytes(
    name: str, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = TextInput(WRITERS["csv"](tmp_path / "rows.csv", ROWS))
    predict_files(model, source, tmp_path / "whole" / name, Answering())
    output, asked = tmp_path / "killed" / name, []
    real, add = TrainedModel.answered, Unfinished.add

    def predict(self: TrainedModel, examples: Any, *more: Any) -> Any:
        asked.append(len(examples))
        if len(asked) in stops:
            raise KeyboardInterrupt
        return real(self, examples, *more)

    stops = {2, 4}
    monkeypatch.setattr(TrainedModel, "answered", predict)
    for kept in (3, 6):
        with pytest.raises(Interrupted, match=f"stopped; kept {kept} predictions in") as caught:
            predict_files(model, source, output, Answering())
        assert caught.value.exit_code == 130 and not output.exists()

    def full_disk(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Unfinished, "add", full_disk)
    with pytest.raises(OSError, match="No space left"):
        predict_files(model, source, output, Answering())
    monkeypatch.setattr(Unfinished, "add", add)
    assert predict_files(model, source, output, Answering()) == len(ROWS)
    assert output.read_bytes() == (tmp_path / "whole" / name).read_bytes()
    assert sum(asked) == len(ROWS) + 3 + 3 + 3, "what was finished was not predicted again"


def edit_a_chunk(folder: Path, source: Path) -> None:
    chunk = next(folder.glob("*.arrow"))
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(bytes(data))


def lose_a_chunk(folder: Path, source: Path) -> None:
    next(folder.glob("*.arrow")).unlink()


def edit_the_state(folder: Path, source: Path) -> None:
    state = json.loads((folder / "done.json").read_text())
    (folder / "done.json").write_text(json.dumps({**state, "count": 1}))


def edit_the_input(folder: Path, source: Path) -> None:
    source.write_text(source.read_text().replace("rocket", "goal"))


def asked_and_stopped_at(number: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return how many texts each call of the model has, as they come; Ctrl-C is pressed in one of them."""
    real, asked = TrainedModel.answered, list[int]()

    def predict(self: TrainedModel, examples: Any, *more: Any) -> Any:
        asked.append(len(examples))
        if len(asked) == number:
            raise KeyboardInterrupt
        return real(self, examples, *more)

    monkeypatch.setattr(TrainedModel, "answered", predict)
    return asked


@pytest.mark.parametrize("change", [edit_a_chunk, lose_a_chunk, edit_the_state, edit_the_input])
def test_what_has_changed_is_predicted_again(
    change: Callable[[Path, Path], None], model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = WRITERS["csv"](tmp_path / "rows.csv", ROWS)
    asked = asked_and_stopped_at(3, monkeypatch)
    with pytest.raises(Interrupted):
        predict_files(model, TextInput(source), tmp_path / "o.jsonl", Answering())
    change(tmp_path / ".o.jsonl.unfinished", source)
    predict_files(model, TextInput(source), tmp_path / "o.jsonl", Answering())
    assert sum(asked[3:]) == len(ROWS)
    predict_files(model, TextInput(source), tmp_path / "again.jsonl", Answering())
    assert (tmp_path / "o.jsonl").read_bytes() == (tmp_path / "again.jsonl").read_bytes()


def test_the_same_bytes_in_another_encoding_are_predicted_again(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "rows.csv"
    source.write_bytes(b"text\n" + "".join(f"go\xe0l {i}\n" for i in range(7)).encode("latin-1"))
    western, russian = (TextInput(source, layout=config.Layout(encoding=name)) for name in ("latin-1", "cp1251"))
    asked = asked_and_stopped_at(2, monkeypatch)
    with pytest.raises(Interrupted):
        predict_files(model, western, tmp_path / "o.jsonl", Answering())
    predict_files(model, russian, tmp_path / "o.jsonl", Answering())
    assert asked == [3, 3, 3, 3, 1], "the three of the first command are predicted again"


def test_outputs_that_would_be_lost_are_refused(model: TrainedModel, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        WRITERS["csv"](tmp_path / folder / "rows.csv", ROWS)
    with pytest.raises(InputError, match=r"two input files are called rows\.csv: pass --output FILE"):
        predict_files(model, TextInput(tmp_path / "*" / "rows.csv"), tmp_path / "out", Answering())
    with pytest.raises(InputError, match="would overwrite the input: choose another name"):
        predict_files(model, TextInput(tmp_path / "a" / "rows.csv"), tmp_path / "a", Answering())
    assert not (tmp_path / "out").exists()


def test_a_table_without_rows_has_its_columns(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("id,text\n")
    assert predict_files(model, TextInput(tmp_path / "rows.csv"), tmp_path / "o.parquet", Answering(top_k=2)) == 0
    assert pq.read_schema(tmp_path / "o.parquet").names[-3:] == ["truncated", "label_2", "probability_2"]
    predict_files(model, TextInput(tmp_path / "rows.csv"), tmp_path / "o.json.gz", Answering())
    assert json.loads(gzip.decompress((tmp_path / "o.json.gz").read_bytes())) == []


TEXTS = ["a goal", None, "  ", "", "ру́сский текст", "\u200b", "a rocket\u3000to moon", "\x00!", "goal " * 40, "é", "x"]
PLAIN: dict[str, pa.Array] = {
    "text": pa.array(TEXTS),
    "label": pa.array(["cat", None] * 5 + ["dog"], pa.large_string()),
    "few": pa.array([7, None, *range(9)], pa.int8()),
    "right": pa.array([True, None, *[False] * 9]),
    "share": pa.array([0.1, None, float("nan"), *[1.5] * 8]),
    "none": pa.nulls(11),
    "no number": pa.nulls(11, pa.int32()),
}


@pytest.mark.parametrize("top_k", [None, 1, 2])
@pytest.mark.parametrize("parts", [1, 2])
def test_tables_are_written_with_the_bytes_of_their_rows(
    parts: int, top_k: int | None, model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "rows").mkdir()
    table, cut = pa.table(PLAIN), 11 if parts == 1 else 4
    for name, rows in (("0", table[:cut]), ("1", table[cut:]), ("2", table[:0]))[: 1 if parts == 1 else 3]:
        pq.write_table(rows, tmp_path / "rows" / f"{name}.parquet", row_group_size=3)
    taken = list[int]()
    real = Tables.take
    monkeypatch.setattr(Tables, "take", lambda self, rows: taken.append(rows) or real(self, rows))
    for output in ("o.parquet", "out"):
        source, how = TextInput(tmp_path / "rows"), Answering(top_k=top_k)
        assert predict_files(model, source, tmp_path / "tables" / output, how) == 11
        assert taken, "as tables"
        with monkeypatch.context() as patch:
            patch.setattr(plain_tables, "look", lambda *arguments: None)
            taken.clear()
            predict_files(model, source, tmp_path / "by_row" / output, how)
            assert not taken
    written = sorted(file for file in (tmp_path / "by_row").rglob("*.parquet"))
    assert len(written) == (2 if parts == 1 else 4)
    for file in written:
        assert (tmp_path / "tables" / file.relative_to(tmp_path / "by_row")).read_bytes() == file.read_bytes()


OTHER: dict[str, dict[str, pa.Array]] = {
    "a date": {"day": pa.array([datetime.date(2026, 1, 2)])},
    "single precision": {"share": pa.array([0.1], pa.float32())},
    "a category": {"kind": pa.array(["a"]).dictionary_encode()},
    "a list": {"words": pa.array([["a"]])},
    "a large number": {"number": pa.array([2**63], pa.uint64())},
    "bytes": {"raw": pa.array([b"a"])},
}


@pytest.mark.parametrize("kind", OTHER)
def test_values_that_are_kept_as_others_are_looked_at_one_by_one(kind: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], **OTHER[kind]}), tmp_path / "rows.parquet")
    assert plain_tables.look(sources.find(tmp_path / "rows.parquet", None), "text") is None


def test_texts_that_are_none_are_looked_at_one_by_one(tmp_path: Path) -> None:
    for number, texts in enumerate([pa.array([b"a"]), pa.nulls(1), pa.array([1]), pa.array([], pa.string())]):
        pq.write_table(pa.table({"text": texts}), tmp_path / f"{number}.parquet")
        assert plain_tables.look(sources.find(tmp_path / f"{number}.parquet", None), "text") is None
    assert plain_tables.look(sources.find(tmp_path / "0.parquet", None), "other") is None


def test_files_whose_types_differ_are_looked_at_one_by_one(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "n": [1, None]}), tmp_path / "0.parquet")
    pq.write_table(pa.table({"text": ["a", " "], "n": pa.nulls(2)}), tmp_path / "1.parquet")
    count, missing, first, schema = plain_tables.look(sources.find(tmp_path, None), "text") or (0, 0, 0, pa.schema([]))
    assert (count, missing, first) == (4, 1, 3) and schema == pa.schema({"text": pa.string(), "n": pa.int64()})
    pq.write_table(pa.table({"text": ["a"], "n": [1.5]}), tmp_path / "2.parquet")
    assert plain_tables.look(sources.find(tmp_path, None), "text") is None
