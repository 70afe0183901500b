"""`tithe predict`: texts from the command line, standard input and files, and what comes out."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from support.command_line import Run, Trained, assert_refused
from support.texts import make_texts

COLUMNS = ["label", "probability", "abstained", "truncated", "p_space", "p_sport"]


def test_texts_are_predicted_with_the_probability_of_their_class(trained: Trained, run: Run) -> None:
    one = run("predict", trained.best, "the goal of the match")
    assert one.code == 0
    label, probability, text = one.out.rstrip("\n").split("\t")
    assert (label, text) == ("sport", "the goal of the match") and 0.5 < float(probability) <= 1

    several = run("predict", trained.best, "rocket orbit moon", "the goal of the match")
    assert [line.split("\t")[0] for line in several.out.splitlines()] == ["space", "sport"]
    assert several.out.splitlines()[1] == one.out.rstrip("\n")


def test_lines_of_standard_input_are_predicted_one_by_one(trained: Trained, run: Run) -> None:
    result = run("predict", trained.best, "--json", stdin="rocket orbit moon\n\nматч goal\n")
    assert result.code == 0
    found = [json.loads(line) for line in result.out.splitlines()]
    assert [row["text"] for row in found] == ["rocket orbit moon", "", "матч goal"]
    assert list(found[0]) == ["text", *COLUMNS]
    assert found[0]["p_space"] == found[0]["probability"]
    assert run("predict", trained.best, stdin="").out == ""


@pytest.mark.parametrize("more", [["a text"], ["--input", "lines.txt"], ["--input", "lines.txt.gz"], []])
def test_a_column_is_refused_where_there_is_no_table(more: list[str], trained: Trained, run: Run) -> None:
    says = "--text-column review is for a table: pass a Parquet, CSV or JSONL file with --input"
    assert_refused(run("predict", trained.best, *more, "--text-column", "review"), says)


def test_json_is_named_where_a_file_is_written(trained: Trained, run: Run, tmp_path: Path) -> None:
    result = run("predict", trained.best, "the goal", "--json", "--output", tmp_path / "out.csv")
    assert (result.code, result.out) == (0, "") and (tmp_path / "out.csv").is_file()
    assert "--json has no effect: the predictions go to --output" in result.err.splitlines()


INPUT = ["rocket orbit moon", "", "the goal", 'a "quoted", one', "суп", "team win cup"]


def write_input(path: Path) -> Path:
    """The same six rows in any format; the second has no text."""
    if path.suffix == ".txt":
        path.write_text("".join(f"{text}\n" for text in INPUT), encoding="utf-8")
    elif path.suffix == ".jsonl":
        rows = [{"n": i, **({"text": text} if text else {})} for i, text in enumerate(INPUT)]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif path.suffix == ".parquet":
        pq.write_table(pa.table({"n": range(6), "text": [text or None for text in INPUT]}), path)
    else:
        with path.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows([["n", "text"], *enumerate(INPUT)])
    return path


def read_output(path: Path) -> list[dict[str, object]]:
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file)) if path.suffix == ".csv" else [json.loads(line) for line in file]


@pytest.mark.parametrize(
    ("source", "target"), [(".txt", ".csv"), (".csv", ".parquet"), (".parquet", ".jsonl"), (".jsonl", ".csv")]
)
def test_files_of_any_format_keep_their_rows_in_order(
    source: str, target: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    output = tmp_path / f"new/out{target}"
    result = run("predict", trained.best, "--input", write_input(tmp_path / f"in{source}"), "--output", output)
    assert result.code == 0 and result.out == "" and "6 predictions in" in result.err
    rows = read_output(output)
    assert [row["text"] for row in rows] == INPUT
    kept = [] if source == ".txt" else ["n"]
    assert list(rows[0]) == [*kept, "text", *COLUMNS]
    assert [int(row["n"]) for row in rows if kept] == list(range(6) if kept else [])
    for row in rows:
        probs = {name: float(row[f"p_{name}"]) for name in ("space", "sport")}
        assert sum(probs.values()) == pytest.approx(1)
        assert row["label"] == max(probs, key=probs.__getitem__) and float(row["probability"]) == max(probs.values())
    assert [rows[i]["label"] for i in (0, 5)] == ["space", "sport"]
    assert [p.name for p in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("source", [".csv", ".parquet", ".jsonl"])
def test_rows_without_a_text_are_counted(source: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    path = write_input(tmp_path / f"in{source}")
    result = run("predict", trained.best, "--input", path)
    assert result.code == 0 and len(result.out.splitlines()) == 6
    assert f"{path}: 1 of 6 rows has no text, the first is row 1: predicted as an empty text" in result.err


def test_lines_of_one_column_are_texts_whatever_they_contain(trained: Trained, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text('text\nrocket orbit\nthe goal, the match; "the cup"\n"moon, orbit"\n')
    result = run("predict", trained.best, "--input", path, "--json")
    assert result.code == 0 and "empty" not in result.err
    texts = [json.loads(line)["text"] for line in result.out.splitlines()]
    assert texts == ["rocket orbit", 'the goal, the match; "the cup"', "moon, orbit"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("in.csv", "n,text\n1,goal\n2,the goal, the cup\n", "in.csv: line 3 is unreadable, '2,the goal, the cup': "),
        ("in.tsv", "n\ttext\n1\tgoal\n2\n", "in.tsv: line 3 is unreadable, '2': repair or remove it; .* quotes"),
        ("in.csv", 'text\n"the goal\nrocket\n', "in.csv: line 2 is unreadable, '\"the goal': repair or remove it;"),
        ("in.jsonl", '{"text": "goal"}\n{"text": "cut\n', "in.jsonl: row 1 is unreadable, .*: repair or remove it$"),
        ("in.csv", "text,text\na,b\n", "more than one column 'text': rename all but one"),
    ],
)
def test_an_unreadable_row_is_named_before_anything_is_predicted(
    name: str, content: str, says: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    assert_refused(run("predict", trained.best, "--input", tmp_path / name), says)
    assert_refused(run("predict", trained.best, "-i", tmp_path / name, "-o", tmp_path / "out.csv"), says)
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_no_texts_make_an_empty_file(suffix: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    output = tmp_path / f"out{suffix}"
    result = run("predict", trained.best, "--output", output, stdin="")
    assert result.code == 0 and "0 predictions" in result.err
    assert read_output(output) == []
    one = run("predict", trained.best, "--output", output, stdin="moon")
    assert one.err == f"1 prediction in {output}\n"


def test_another_text_column_can_be_named(trained: Trained, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("body,label\nrocket orbit moon,?\n")
    assert run("predict", trained.best, "-i", path, "--text-column", "body").out.startswith("space\t")
    assert_refused(run("predict", trained.best, "-i", path), "no column 'text'")


@pytest.mark.parametrize(
    ("name", "content", "options", "says"),
    [
        ("in.csv", b"body\nmoon\n", (), r"no column 'text' \(--text-column\): choose one of body"),
        ("in.csv", b"", (), r"in.csv is empty: pass a file with a column 'text' \(--text-column\)$"),
        ("in.csv", b"text\ncaf\xe9\n", (), r"set --encoding to its own"),
        ("in.csv", b"text,a\n1,2,3\n", ("--column-names", "text,a,b,c"), r"and --column-names 4 names.*--delimiter$"),
        ("in.xlsx", b"", (), r"no reader for '.xlsx' files: use one of [^:]*\(of text also compressed, as .csv.gz\)$"),
        ("in.csv", b"text\n", ("--delimiter", "ab"), r"delimiter.* one character such as ',', ';' or '\|', or tab$"),
        ("in.parquet", b"", ("--delimiter", ";"), r"--delimiter ';' is not for a file such as"),
    ],
)
def test_messages_name_the_options_of_the_command(
    name: str, content: bytes, options: tuple[str, ...], says: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    assert_refused(run("predict", trained.best, "-i", tmp_path / name, *options), says)


def test_what_is_no_checkpoint_is_named_for_what_it_is(trained: Trained, run: Run, tmp_path: Path) -> None:
    (tmp_path / "export").mkdir()
    (tmp_path / "export/parity.json").write_text("{}")
    (tmp_path / "notes.txt").write_text("x")
    damaged = shutil.copytree(trained.best, tmp_path / "runs/first/checkpoints/best")
    (damaged / "model.pt").write_bytes(b"x")
    for path, says in (
        (tmp_path / "export", "is an export, .*: pass its run, or open it with 'tithe serve "),
        (tmp_path / "notes.txt", "notes.txt is not a file of a checkpoint of tithe: pass a run"),
        (
            tmp_path / "runs",
            r"runs has no checkpoint itself: pass one of its folders that have, such as \S+runs/first$",
        ),
        (damaged / "model.pt", r"error: no intact checkpoint in \S+best: start a new run"),
        (tmp_path / "runs/first", r"error: no intact checkpoint in \S+first/checkpoints/best: start"),
    ):
        assert_refused(run("predict", path, "moon"), says)


def test_a_file_that_is_given_as_a_text_is_pointed_out(
    trained: Trained, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("in.csv").write_text("text\nmoon\n")
    result = run("predict", trained.best, "rocket orbit", "in.csv", "x" * 5000)
    assert len(result.out.splitlines()) == 3
    assert result.err == "in.csv is a file, whose name is classified here: for what it contains pass --input\n"


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        (
            "in.csv",
            "out.xlsx",
            "can't write '.xlsx' files: choose one of .csv, .json, .jsonl, .ndjson, .parq",
        ),
        ("in.csv", "out.csv.xz", "can't write '.xz' files"),
        ("in.xlsx", "out.csv", "no reader for '.xlsx' files"),
        ("nowhere.txt", "out.csv", "no input file"),
        ("nowhere.csv", "out.csv", "no (input|data) file"),
    ],
)
def test_files_that_cannot_be_read_or_written_are_named(
    source: str, target: str, says: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    for name in ("in.csv", "in.xlsx"):
        (tmp_path / name).write_text("text\nrocket\n")
    result = run("predict", trained.best, "--input", tmp_path / source, "--output", tmp_path / target)
    assert_refused(result, says)
    assert not (tmp_path / target).exists()


def test_predictions_do_not_depend_on_the_batch_size(trained: Trained, run: Run, tmp_path: Path) -> None:
    texts = tmp_path / "in.txt"
    texts.write_text("\n".join(make_texts(25, seed=5)[0]), encoding="utf-8")
    found = []
    for size in (1, 7, 64):
        output = tmp_path / f"{size}.parquet"
        assert run("predict", trained.best, "-i", texts, "-o", output, "--batch-size", size).code == 0
        found.append(pq.read_table(output))
    for table in found[1:]:
        assert table.column("text").equals(found[0].column("text"))
        np.testing.assert_allclose(table.column("p_space"), found[0].column("p_space"), atol=1e-5)


def test_exact_predictions_do_not_depend_on_other_texts(trained: Trained, run: Run, tmp_path: Path) -> None:
    texts = make_texts(10, seed=5)[0]
    together = run("predict", trained.best, "--exact", "--json", *texts)
    assert together.code == 0
    alone = [run("predict", trained.best, "--exact", "--json", text).out for text in texts]
    assert together.out.splitlines(keepends=True) == alone
    refused = run("predict", trained.best, "--exact", "--batch-size", 8, "-o", tmp_path / "out.csv", stdin="goal\n")
    assert_refused(refused, "--exact predicts one input at a time: leave --batch-size out")


def test_numeric_labels_come_back_as_numbers(numbers: Trained, run: Run, tmp_path: Path) -> None:
    row = json.loads(run("predict", numbers.best, "суп хлеб соль", "--json").out)
    assert row["label"] == 100 and isinstance(row["label"], int)
    assert list(row)[5:] == ["p_2", "p_10", "p_100"], "numbers are sorted as numbers"
    assert run("predict", numbers.best, "-o", tmp_path / "out.parquet", stdin="goal\n").code == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert pa.types.is_integer(table.schema.field("label").type)
    assert table.schema.names == ["text", *COLUMNS[:4], "p_2", "p_10", "p_100"]


@pytest.mark.parametrize("inside", ["", "checkpoints", "checkpoints/best", "checkpoints/best/model.pt"])
def test_a_run_or_anything_inside_it_means_its_best_checkpoint(inside: str, trained: Trained, run: Run) -> None:
    result = run("predict", trained.home / inside, "rocket", "goal")
    assert result.code == 0
    assert result.out == run("predict", trained.best, "rocket", "goal").out


@pytest.mark.parametrize("file", ["model.pt", "labels.json", "tokenizer/tokenizer.json", "state.json"])
def test_a_damaged_best_checkpoint_is_refused_with_the_cure(file: str, copy: Path, run: Run) -> None:
    path = copy / "checkpoints/best" / file
    path.write_bytes(path.read_bytes()[:-100])
    for asked in (copy, copy / "checkpoints/best"):
        refused = run("predict", asked, "rocket")
        assert_refused(refused, "best is damaged; .*step_00000024 is intact: pass that one to use it")
    assert run("predict", copy / "checkpoints/step_00000024", "rocket").code == 0


def test_what_is_cut_off_is_said_once_at_the_end(trained: Trained, run: Run, tmp_path: Path) -> None:
    long = tmp_path / "long.txt"
    long.write_text("".join("goal " * (98 if i % 2 else 3) + "\n" for i in range(2100)))
    result = run("predict", trained.best, "--input", long, "--batch-size", 64)
    lines = [line for line in result.err.splitlines() if "max_length" in line]
    assert len(lines) == 1 and "max_length 32 cuts 1050 of 2100 texts (50.0 %), 64.8 % of the tokens" in lines[0]
    row = json.loads(run("predict", trained.best, "--json", "goal " * 98).out)
    assert (row["truncated"], row["abstained"]) == (True, False)
    assert "max_length" not in run("predict", trained.best, "goal team").err
