"""The command as a user meets it: what it prints, what it leaves, and one line for each mistake."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer

import tithe
from conftest import make_texts, write_rows
from photographs import twins
from tithe import cli, configfile
from tithe.errors import InputError

ROOT = Path(__file__).parent.parent
EXAMPLE = ROOT / "recipes/classifier_training/classifier_training.example.yaml"

PICTURES = ["confusion_matrix", "confusion_matrix_normalized", "roc_curve", "pr_curve", "reliability"]
PART_FILES = {"metrics.json", "per_class.csv", "predictions.parquet", *(f"{name}.png" for name in PICTURES)}
CHECKPOINT_FILES = {
    *("model.pt", "optimizer.pt", "scheduler.pt", "rng.pt", "state.json", "labels.json", "manifest.json"),
    *("encoder/config.json", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"),
}
RUN_FILES = {
    *("config.json", "data_report.json", "dropped.jsonl", "environment.json", "history.jsonl", "labels.json"),
    *("learning_curves.png", "manifest.json", "metrics.json", "report.html", "train.log"),
    *(f"{part}/{name}" for part in ("validation", "test") for name in PART_FILES),
    *("assets/encoder/config.json", "assets/tokenizer/tokenizer.json", "assets/tokenizer/tokenizer_config.json"),
    "assets/manifest.json",
}


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Call the command in this process, as the shell would."""
    logger = logging.getLogger("tithe")
    before = logger.handlers[:], logger.level

    def call(*arguments: object, stdin: str = "") -> Result:
        monkeypatch.setattr(sys, "argv", ["tithe", *map(str, arguments)])
        monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        logger.handlers[:] = []  # the command's own handler keeps the stderr of the moment it was made
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            cli.main()
        return Result(exit_.value.code, *capsys.readouterr())

    yield call
    logger.handlers[:], logger.level = before


def files(folder: Path) -> set[str]:
    return {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()}


def write_config(path: Path, raw: object) -> Path:
    path.write_text(json.dumps(raw), encoding="utf-8")
    return path


class Trained(NamedTuple):
    """A finished run, with what it was trained from."""

    config: Path
    home: Path
    result: Result

    @property
    def best(self) -> Path:
        return self.home / "checkpoints/best"


def _train(folder: Path, encoder: Path, texts: list[str], labels: list[object], run: Run) -> Trained:
    rows = write_rows(folder / "rows.parquet", texts, labels)
    raw = {
        "name": "first",
        "out": str(folder / "run"),
        "data": {"path": str(rows)},
        "model": {"encoder": str(encoder), "max_length": 32},
        "train": {"epochs": 2, "batch_size": 8, "learning_rate": 3e-3, "precision": "no", "device": "cpu"},
        "track": {"tensorboard": False},
    }
    config = write_config(folder / "config.json", raw)
    result = run("train", config)
    assert result.code == 0, result.err
    return Trained(config, folder / "run", result)


_kept: dict[str, Trained] = {}


@pytest.fixture
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, run: Run) -> Trained:
    """A run on 120 rows of two classes, trained once for all tests: they must leave it as it is."""
    if "words" not in _kept:
        _kept["words"] = _train(tmp_path_factory.mktemp("trained"), tiny_bert, *make_texts(60), run)
    return _kept["words"]


@pytest.fixture
def numbers(tmp_path_factory: pytest.TempPathFactory, tiny_bert: Path, run: Run) -> Trained:
    """The same on three classes called 2, 10 and 100."""
    if "numbers" not in _kept:
        texts, names = make_texts(20, classes=3)
        labels = [{"sport": 2, "space": 10, "кухня": 100}[name] for name in names]
        _kept["numbers"] = _train(tmp_path_factory.mktemp("numbers"), tiny_bert, texts, labels, run)
    return _kept["numbers"]


@pytest.fixture
def copy(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the run directory that a test may damage."""
    return Path(shutil.copytree(trained.home, tmp_path / "copy"))


# ---- mistakes: exit code 2, one line, nothing written

Settings = Callable[..., dict[str, object]]
Mistake = Callable[[Path, Settings], list[object]]


def training(change: Callable[[Path], dict[str, object]], *more: object) -> Mistake:
    """`tithe train` on the small config with some sections changed."""

    def arguments(folder: Path, settings: Settings) -> list[object]:
        return ["train", write_config(folder / "config.json", settings(**change(folder))), *more]

    return arguments


def command(*arguments: object) -> Mistake:
    return lambda folder, settings: [str(a).replace("TMP", str(folder)) for a in arguments]


def written(folder: Path, name: str, content: str) -> str:
    (folder / name).write_text(content, encoding="utf-8")
    return str(folder / name)


def nothing(folder: Path) -> dict[str, object]:
    return {}


def check(mistake: Mistake) -> Mistake:
    """The same for `tithe config check`."""
    return lambda folder, settings: ["config", "check", *mistake(folder, settings)[1:]]


def rows_of(texts: list[object], labels: list[object]) -> Callable[[Path], dict[str, object]]:
    return lambda folder: {"data": {"path": str(write_rows(folder / "few.parquet", texts, labels))}}


def config_text(content: str) -> Mistake:
    return lambda folder, settings: ["train", written(folder, "config.yaml", content)]


def evaluation(content: str) -> Mistake:
    return lambda folder, settings: ["evaluate", "--config", written(folder, "eval.yaml", content)]


MISTAKES: dict[str, tuple[Mistake, str]] = {
    "missing data": (training(lambda f: {"data": {"path": "nowhere.parquet"}}), "no data file nowhere.parquet"),
    "data is a folder": (training(lambda f: {"data": {"path": str(f)}}), "is a folder"),
    "unknown format": (training(lambda f: {"data": {"path": written(f, "rows.xyz", "")}}), "no reader for '.xyz'"),
    "not Parquet": (
        training(lambda f: {"data": {"path": written(f, "x.parquet", "text,label")}}),
        "is not a Parquet file",
    ),
    "missing text column": (training(lambda f: {"data": {"text_column": "txt"}}), "no column 'txt'.*'text'"),
    "missing label column": (training(lambda f: {"data": {"label_column": "class"}}), "no column 'class'"),
    "numbers as texts": (training(rows_of([1, 2], ["a", "b"])), "column 'text' holds int64, not text"),
    "one class": (training(rows_of(["one", "two", "three"], ["a"] * 3)), r"one class only \('a'\)"),
    "all rows empty": (training(rows_of(["", " ", None], ["a", "b", "a"])), "no usable row among 3"),
    "no rows": (training(rows_of(pa.array([], pa.string()), pa.array([], pa.string()))), "the file is empty"),
    "too few rows": (training(rows_of(["one", "two"], ["a", "b"])), "add rows"),
    "unknown key": (training(lambda f: {"train": {"lerning_rate": 1}}), "'train.lerning_rate'.*'learning_rate'"),
    "unknown section": (training(lambda f: {"trian": {}}), "'trian'.*'train'"),
    "text for a number": (training(lambda f: {"train": {"epochs": "many"}}), "train.epochs = 'many'.*integer"),
    "number out of range": (training(lambda f: {"train": {"epochs": 0}}), "train.epochs = 0 should be greater"),
    "wrong choice": (training(lambda f: {"train": {"schedule": "step"}}), "'linear', 'cosine' or 'constant'"),
    "missing encoder": (training(lambda f: {"model": {"encoder": "./nowhere"}}), "no folder nowhere"),
    "uncached encoder": (training(lambda f: {"model": {"encoder": "no/body"}}), "'no/body' can't be opened"),
    "too long": (training(lambda f: {"model": {"max_length": 65}}), "more than the 64 positions"),
    "nothing to resume": (training(nothing, "--resume", "nowhere"), "no checkpoint at nowhere"),
    "--set without =": (training(nothing, "--set", "train.epochs"), "is not key=value"),
    "--set unknown": (training(nothing, "--set", "train.epoch=1"), "'train.epoch'.*'epochs'"),
    "--set a section": (training(nothing, "--set", "train=1"), "'train' should be a section"),
    "missing config": (command("train", "nowhere.yaml"), "no config file nowhere.yaml"),
    "config is a folder": (command("train", "TMP"), "no config file"),
    "broken YAML": (config_text("data: [1\n"), "is not YAML at line"),
    "empty config": (config_text(""), "holds no settings"),
    "unset variable": (config_text("data: {path: '${TITHE_NOWHERE}'}"), "TITHE_NOWHERE.* is not set"),
    "unknown data set": (command("fetch", "review"), "unknown data set 'review': did you mean 'reviews'"),
    "unknown command": (command("trian"), "No such command 'trian'"),
    "unknown option": (command("train", "config.yaml", "--epoch", "1"), "No such option.*--epoch.*tithe train --help"),
    "missing argument": (command("train"), "Missing argument 'CONFIG'.*tithe train --help"),
    "missing option": (command("prepare", "raw"), "Missing option '--out'"),
    "wrong option value": (command("predict", "x", "--batch-size", "0"), "Invalid value for '--batch-size'"),
    "describe nothing": (command("describe", "TMP/rows.csv"), "no data file"),
    "evaluate nothing": (command("evaluate", "-c", "TMP/nowhere", "--out", "TMP/run"), "no checkpoint at"),
    "evaluate without a checkpoint": (command("evaluate"), "pass -c CHECKPOINT, or --config FILE"),
    "evaluate by no config": (command("evaluate", "--config", "x.json"), "no config file x.json"),
    "evaluation without a checkpoint": (evaluation("{splits: [test]}"), "or checkpoint_path in eval.yaml"),
    "unknown key of an evaluation": (evaluation("{checkpoint_path: x, split: [test]}"), "'split'.*'splits'"),
    "unknown split": (evaluation("{checkpoint_path: x, splits: [train]}"), "'train' should be 'validation' or 'test'"),
    "no splits": (evaluation("{checkpoint_path: x, splits: []}"), "splits = .*at least 1 item"),
    "one split as a text": (evaluation("{checkpoint_path: x, splits: test}"), "splits = 'test' should be a list"),
    "artifacts elsewhere": (evaluation("{checkpoint_path: x, name: ../y}"), "name = '../y' should match"),
    "evaluation of nothing": (evaluation("{checkpoint_path: nowhere}"), "no checkpoint at nowhere"),
    "predict by nothing": (command("predict", "TMP/nowhere", "text"), "no checkpoint at"),
    "predict by a folder": (command("predict", "TMP", "text"), "no whole checkpoint in"),
    "two inputs": (command("predict", "x", "text", "--input", "y.txt"), "not both"),
    "verify nothing": (command("verify", "TMP"), "has no manifest.json"),
    "unknown recipe": (command("config", "explain", "--recipe", "classifier"), "did you mean 'classifier_training'"),
    "check missing data": (check(training(lambda f: {"data": {"path": "x.csv"}})), "no data file x.csv"),
    "check missing encoder": (check(training(lambda f: {"model": {"encoder": "./x"}})), "no folder x"),
    "check unknown key": (check(training(lambda f: {"train": {"lr": 1}})), "unknown key 'train.lr'"),
}


def assert_refused(result: Result, says: str) -> None:
    *log, error = result.err.splitlines() or [""]
    assert error.startswith("error: "), result.err
    assert result.code == 2 and result.out == ""
    assert all(line.startswith(("reading and cleaning", "checkpoint ", "going on from")) for line in log), log
    assert re.search(says, error), error


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line_and_leaves_nothing(
    name: str, run: Run, tmp_path: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    make, says = MISTAKES[name]
    assert_refused(run(*make(tmp_path, settings)), says)
    assert not (tmp_path / "run").exists() and not (tmp_path / "runs").exists()


def test_a_whole_command_line_with_a_mistake_shows_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tithe", "train", tmp_path / "no.yaml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: no config file")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"data": "labels"}, "has other labels .*start anew without resume"),
        ({"model": {"head": "mlp"}}, "has other model .head: linear there, mlp here"),
        ({"model": {"max_length": 16}}, "has other model .max_length: 32 there, 16 here"),
        ({"data": "rows"}, "has other data"),
        ({"data": {"val_ratio": 0.2}}, "has other data"),
        ({"train": {"batch_size": 4}}, "has other order .batch_size: 8 there, 4 here"),
        ({"train": {"accumulation_steps": 2}}, "has other order .accumulation_steps"),
    ],
)
def test_resuming_what_does_not_fit_is_refused(
    change: dict[str, object], says: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    raw = json.loads(trained.config.read_text())
    for section, values in change.items():
        if isinstance(values, str):
            texts, labels = make_texts(60, classes=3) if values == "labels" else make_texts(60, seed=1)
            values = {"path": str(write_rows(tmp_path / "other.parquet", texts, labels))}
        raw[section].update(values)
    config = write_config(tmp_path / "config.json", {**raw, "out": str(tmp_path / "out")})
    assert_refused(run("train", config, "--resume", trained.best), says)
    assert not (tmp_path / "out").exists()


# ---- train


def test_training_leaves_every_file_and_says_where(trained: Trained) -> None:
    names = ["best", *sorted(p.name for p in (trained.home / "checkpoints").glob("step_*"))]
    assert names == ["best", "step_00000012", "step_00000024"]
    checkpoints = {f"checkpoints/{name}/{file}" for name in names for file in CHECKPOINT_FILES}
    assert files(trained.home) == RUN_FILES | checkpoints

    scores = json.loads((trained.home / "metrics.json").read_text())
    assert scores["best"]["by"] == "f1" and scores["best"]["epoch"] in (1, 2)
    assert scores["training"]["epochs"] == 2 and scores["training"]["device"] == "cpu"
    assert scores["validation"]["rows"] == scores["test"]["rows"] == 12
    assert scores["test"]["accuracy"] > 0.8
    for part in ("validation", "test"):
        assert json.loads((trained.home / part / "metrics.json").read_text()) == scores[part]

    out = trained.result.out
    assert f"accuracy{scores['validation']['accuracy']:>24.4f}{scores['test']['accuracy']:>12.4f}" in out
    assert str(trained.best) in out and str(trained.home / "report.html") in out
    assert scores["training"]["final_weights_sha256"] in out
    assert "epoch 2 of 2: validation" in trained.result.err
    assert "Traceback" not in trained.result.err


def test_training_writes_a_log_with_every_documented_number(trained: Trained) -> None:
    steps = [line for line in (trained.home / "train.log").read_text().splitlines() if "batch_loss" in line]
    assert [line.split(" step ")[1].split()[0] for line in steps] == ["5", "10", "12", "15", "20", "24"]
    assert all(f" {word} " in line for line in steps for word in ("epoch", "step", "batch_loss", "lr", "opt_steps"))


def test_training_prints_json_and_never_buries_an_earlier_run(trained: Trained, run: Run, tmp_path: Path) -> None:
    home = tmp_path / "again"
    shutil.copytree(trained.home, home)
    before = (home / "metrics.json").read_bytes()
    refused = run("train", trained.config, "--out", home)
    assert_refused(refused, "holds an earlier run: resume it, choose another directory, or pass --overwrite")
    assert (home / "metrics.json").read_bytes() == before

    (home / "somebody.txt").write_text("not of any run")
    (home / "test/left-over.txt").write_text("from the earlier run")
    result = run("train", trained.config, "--out", home, "--overwrite", "--json", "--set", "train.epochs=1")
    assert result.code == 0 and "deleting the earlier run" in result.err
    scores = json.loads(result.out)
    assert scores["home"] == str(home)
    assert f'"{home / "checkpoints/best"}"' in result.out, "a program has to find the best checkpoint"
    assert scores["training"]["epochs"] == 1
    assert not (home / "test/left-over.txt").exists()
    assert (home / "somebody.txt").exists()


def test_a_second_training_run_is_the_first_again(trained: Trained, run: Run, tmp_path: Path) -> None:
    result = run("train", trained.config, "--out", tmp_path / "run", "--json")
    one, two = (json.loads((home / "metrics.json").read_text()) for home in (trained.home, tmp_path / "run"))
    assert result.code == 0
    assert one["training"]["final_weights_sha256"] == two["training"]["final_weights_sha256"]
    assert one["test"] == two["test"]


# ---- predict


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
    assert set(found[0]["probabilities"]) == {"space", "sport"}
    assert found[0]["probabilities"]["space"] == found[0]["probability"]
    assert run("predict", trained.best, stdin="").out == ""


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
    assert list(rows[0]) == ["text", "label", "probability", "p_space", "p_sport"]
    for row in rows:
        probs = {name: float(row[f"p_{name}"]) for name in ("space", "sport")}
        assert sum(probs.values()) == pytest.approx(1)
        assert row["label"] == max(probs, key=probs.__getitem__) and float(row["probability"]) == max(probs.values())
    assert [rows[i]["label"] for i in (0, 5)] == ["space", "sport"]
    assert [p.name for p in output.parent.iterdir()] == [output.name]


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl"])
def test_no_texts_make_an_empty_file(suffix: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    output = tmp_path / f"out{suffix}"
    result = run("predict", trained.best, "--output", output, stdin="")
    assert result.code == 0 and "0 predictions" in result.err
    assert read_output(output) == []


def test_another_text_column_can_be_named(trained: Trained, run: Run, tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    path.write_text("body,label\nrocket orbit moon,?\n")
    assert run("predict", trained.best, "-i", path, "--text-column", "body").out.startswith("space\t")
    assert_refused(run("predict", trained.best, "-i", path), "no column 'text'")


@pytest.mark.parametrize(
    ("source", "target", "says"),
    [
        ("in.csv", "out.xlsx", "can't write '.xlsx' files: choose one of .csv, .json, .jsonl, .parquet"),
        ("in.csv", "out", "can't write '' files"),
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


def test_numeric_labels_come_back_as_numbers(numbers: Trained, run: Run, tmp_path: Path) -> None:
    row = json.loads(run("predict", numbers.best, "суп хлеб соль", "--json").out)
    assert row["label"] == 100 and isinstance(row["label"], int)
    assert list(row["probabilities"]) == ["2", "10", "100"], "numbers are sorted as numbers"
    assert run("predict", numbers.best, "-o", tmp_path / "out.parquet", stdin="goal\n").code == 0
    table = pq.read_table(tmp_path / "out.parquet")
    assert pa.types.is_integer(table.schema.field("label").type)
    assert table.schema.names == ["text", "label", "probability", "p_2", "p_10", "p_100"]


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
        assert_refused(refused, "best is not whole; .*step_00000024 is: name that one to use it")
    assert run("predict", copy / "checkpoints/step_00000024", "rocket").code == 0


# ---- evaluate


@pytest.mark.parametrize("inside", ["checkpoints/best", "checkpoints/best/model.pt"])
def test_evaluating_a_checkpoint_gives_the_numbers_of_its_run(
    inside: str, trained: Trained, run: Run, tmp_path: Path
) -> None:
    result = run("evaluate", "-c", trained.home / inside, "--out", tmp_path / "out", "--json")
    assert result.code == 0
    found, expected = json.loads(result.out), json.loads((trained.home / "metrics.json").read_text())
    assert set(found) == {"validation", "test"}
    for part in found:
        assert found[part]["confusion_matrix"] == expected[part]["confusion_matrix"]
        assert found[part]["loss"] == pytest.approx(expected[part]["loss"], abs=1e-4)
        assert json.loads((tmp_path / f"out/{part}/metrics.json").read_text()) == found[part]
    assert files(tmp_path / "out") == {"metrics.csv", *(f"{part}/{name}" for part in found for name in PART_FILES)}
    with (tmp_path / "out/metrics.csv").open(encoding="utf-8", newline="") as table:
        lines = {line["part"]: line for line in csv.DictReader(table)}
    for part, line in lines.items():
        assert line["checkpoint"] == str(trained.home / inside)
        for key in ("accuracy", "f1", "f1_weighted", "auc_roc", "auc_pr", "calibration_error", "rows"):
            assert float(line[key]) == found[part][key]


def test_an_evaluation_is_a_file_that_options_may_change(
    trained: Trained, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = {"checkpoint_path": str(trained.best), "splits": ["test"], "artifacts_dir": "kept", "name": "again"}
    file = write_config(tmp_path / "eval.json", {**asked, "dataset_path": None})
    result = run("evaluate", "--config", file)
    assert result.code == 0 and "numbers and pictures in kept/again" in result.out
    assert files(tmp_path / "kept/again") == {"metrics.csv", *(f"test/{name}" for name in PART_FILES)}
    changed = run("evaluate", "--config", file, "--set", "splits=[validation]", "--set", "name=other", "--json")
    assert set(json.loads(changed.out)) == {"validation"} and (tmp_path / "kept/other/validation").is_dir()
    refused = run("evaluate", "--config", file, "-c", tmp_path / "nowhere", "--set", "name=third")
    assert_refused(refused, "no checkpoint at .*nowhere")  # what is given besides the file counts
    path = write_rows(tmp_path / "other.parquet", *make_texts(5, seed=9))
    whole = run("evaluate", "--config", write_config(file, {**asked, "dataset_path": str(path)}), "--json")
    assert json.loads(whole.out)["data"]["rows"] == 10 and (tmp_path / "kept/again/data/roc_curve.png").is_file()


def test_a_split_that_the_run_does_not_have_is_refused(
    settings: Callable[..., dict[str, Any]], run: Run, tmp_path: Path
) -> None:
    raw = settings(data={"test_ratio": 0.0}, train={"epochs": 1})
    assert run("train", write_config(tmp_path / "config.json", raw)).code == 0
    best = tmp_path / "run/checkpoints/best"
    refused = run("evaluate", "-c", best, "--set", "splits=[test]", "--out", tmp_path / "out")
    assert_refused(refused, "the run held no rows out for test: choose another split")
    assert run("evaluate", "-c", best, "--out", tmp_path / "out").code == 0  # by default what there is


def test_evaluation_goes_to_artifacts_by_the_name_of_the_run(
    trained: Trained, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run("evaluate", "-c", trained.best)
    assert result.code == 0 and "numbers and pictures in artifacts/first" in result.out
    assert {p.name for p in (tmp_path / "artifacts/first").iterdir()} == {"metrics.csv", "validation", "test"}


def test_another_file_is_evaluated_whole(trained: Trained, run: Run, tmp_path: Path) -> None:
    texts, labels = make_texts(10, seed=9)
    path = write_rows(tmp_path / "other.parquet", texts, labels)
    result = run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path / "out", "--json")
    found = json.loads(result.out)["data"]
    assert result.code == 0 and found["rows"] == 20
    predicted = run("predict", trained.best, *texts, "--json").out.splitlines()
    right = sum(json.loads(line)["label"] == label for line, label in zip(predicted, labels, strict=True))
    assert found["accuracy"] == pytest.approx(right / 20)
    assert files(tmp_path / "out") == {"metrics.csv", *(f"data/{name}" for name in PART_FILES)}


def test_a_file_with_some_of_the_classes_is_counted_under_the_right_ones(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "other.parquet", ["goal team", "win cup coach"], ["sport", "sport"])
    found = json.loads(run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path, "--json").out)["data"]
    assert [row["rows"] for row in found["per_class"]] == [0, 2]


def test_unknown_labels_and_missing_data_are_refused(trained: Trained, run: Run, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "other.parquet", ["goal", "suite"], ["sport", "music"])
    refused = run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path / "out")
    assert_refused(refused, "label 'music' is none of the 2 known: space, sport")
    gone = run("evaluate", "-c", trained.best, "--data", tmp_path / "gone.csv", "--out", tmp_path / "out")
    assert_refused(gone, "no data file .*gone.csv")
    assert not (tmp_path / "out").exists()


def test_evaluation_without_the_data_of_the_run_says_so(numbers: Trained, run: Run, tmp_path: Path) -> None:
    data = numbers.home.parent / "rows.parquet"
    data.rename(data.with_suffix(".away"))
    try:
        refused = run("evaluate", "-c", numbers.best, "--out", tmp_path / "out")
    finally:
        data.with_suffix(".away").rename(data)
    assert_refused(refused, "no data .*rows.parquet.*--data")


def test_evaluation_on_changed_data_of_the_run_is_refused(numbers: Trained, run: Run, tmp_path: Path) -> None:
    # With other rows the split is another one: rows that were trained on would stand in the test.
    data = numbers.home.parent / "rows.parquet"
    before = data.read_bytes()
    texts, names = make_texts(20, classes=3, seed=8)
    write_rows(data, texts, [{"sport": 2, "space": 10, "кухня": 100}[name] for name in names])
    try:
        refused = run("evaluate", "-c", numbers.best, "--out", tmp_path / "out")
    finally:
        data.write_bytes(before)
    assert_refused(refused, "rows.parquet")
    assert not (tmp_path / "out").exists()


# ---- describe, doctor, verify


def test_describing_tells_what_training_would_see(trained: Trained, run: Run) -> None:
    data = json.loads(trained.config.read_text())["data"]["path"]
    result = run("describe", data, "--json")
    assert result.code == 0
    assert json.loads(result.out) == json.loads((trained.home / "data_report.json").read_text())


@pytest.mark.parametrize("listed", [False, True], ids=["folder", "list"])
def test_describing_images_tells_their_sizes_and_formats(run: Run, tmp_path: Path, listed: bool) -> None:
    root = twins(tmp_path / "set", 12)
    (root / "fake/000.png").write_bytes(b"no image")
    (root / "labels.csv").rename(root / "list.csv" if listed else tmp_path / "list.csv")
    result = run("describe", root / "list.csv", "--images") if listed else run("describe", root)
    assert result.code == 0, result.err
    for line in (
        f"{'list.csv' if listed else 'set'}: 24 rows read, 23 kept",
        "2 classes:",
        "        11  fake",
        "formats of real: PNG 9, JPEG 3",
    ):
        assert line in result.out.splitlines(), result.out
    assert "near copies: " in result.out and "classes told by file format alone: AUC " in result.out


def test_describing_counts_what_is_left_out(run: Run, tmp_path: Path) -> None:
    texts = [*(f"text {i}" for i in range(20)), "text 0", "text 1", "", "lonely"]
    labels = [*["a", "b"] * 10, "a", "a", "b", "c"]
    path = write_rows(tmp_path / "rows.parquet", texts, labels)
    result = run("describe", path)
    assert result.code == 0
    for line in (
        "rows.parquet: 24 rows read, 20 kept",
        "  dropped as duplicate: 1",
        "  dropped as conflict: 2",
        "  dropped as empty_text: 1",
        "3 classes:",
        "        10  a",
        "too small to split, in train only: c",
        "near copies: 0 rows in 0 groups (0 of several classes); of training rows: 0 of validation, 0 of test",
    ):
        assert line in result.out.splitlines(), result.out
    listed = Path(result.out.splitlines()[-1].removeprefix("dropped rows, one by one: "))
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [1, 20, 21, 22]


def test_the_doctor_says_what_this_machine_can_do(run: Run) -> None:
    found = json.loads(run("doctor", "--json").out)
    assert found["tithe"] == tithe.__version__
    assert {"auto", "sdpa", "eager"} <= set(found["attention"])
    assert found["readers"] == ["csv", "json_parts", "jsonl", "parquet"]
    assert found["cache"] == os.environ["TITHE_CACHE"] and found["hub"].startswith("offline")
    text = run("doctor")
    assert text.code == 0
    assert [line.partition("  ")[0].strip() for line in text.out.splitlines()] == list(found)


def test_verify_finds_a_single_changed_byte(trained: Trained, copy: Path, run: Run) -> None:
    assert run("verify", trained.home) == (0, f"{trained.home}: every file is as it was written\n", "")
    for name in ("checkpoints/best/model.pt", "test/metrics.json", "history.jsonl"):
        path = copy / name
        content = path.read_bytes()
        path.write_bytes(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])
        result = run("verify", copy)
        assert result.code == 1 and result.err == f"error: {copy} is not what was written: {name}\n"
        path.write_bytes(content)
    assert run("verify", copy).code == 0
    (copy / "report.html").unlink()
    assert run("verify", copy).err.endswith("not what was written: report.html\n")


@pytest.mark.parametrize("content", ["", "[]", '"text"', "{"])
def test_a_broken_manifest_is_not_a_whole_run(content: str, copy: Path, run: Run) -> None:
    (copy / "manifest.json").write_text(content)
    result = run("verify", copy)
    assert result.code == 1 and result.err == f"error: {copy} is not what was written: manifest.json\n"


def test_a_checkpoint_can_be_verified_by_itself(trained: Trained, run: Run) -> None:
    assert run("verify", trained.best).code == 0


# ---- config


def test_a_right_config_is_called_correct_without_training(settings: Settings, run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path / "config.json", settings())
    assert run("config", "check", path) == (0, f"{path}: correct\n", "")
    assert not (tmp_path / "run").exists()


def test_the_resolved_config_is_shown_with_its_secrets_masked(settings: Settings, run: Run, tmp_path: Path) -> None:
    path = write_config(tmp_path / "c.json", settings(track={"neptune": {"api_token": "do-not-show", "tags": ["a"]}}))
    result = run("config", "show", path, "--set", "train.epochs=7", "--set", "track.neptune.project=me/it")
    shown = json.loads(result.out)
    assert result.code == 0 and "do-not-show" not in result.out + result.err
    assert shown["train"]["epochs"] == 7 and shown["train"]["weight_decay"] == 0.01
    assert shown["track"]["neptune"]["project"] == "me/it" and shown["track"]["neptune"]["api_token"]


def test_the_documented_example_is_valid_by_its_schema(run: Run) -> None:
    import jsonschema

    schema = json.loads(run("config", "schema", "--recipe", "classifier_training").out)
    validator = jsonschema.validators.validator_for(schema)
    validator.check_schema(schema)
    example, _ = configfile.read(EXAMPLE)
    assert list(validator(schema).iter_errors(example)) == []
    wrong = {**example, "training": {**example["training"], "num_epoch": 3, "batch_size": "32"}}
    assert len(list(validator(schema).iter_errors(wrong))) == 2


def test_the_native_schema_takes_a_native_config(settings: Settings, run: Run) -> None:
    import jsonschema

    schema = json.loads(run("config", "schema").out)
    jsonschema.validate(settings(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(settings(train={"lerning_rate": 1}), schema)


@pytest.mark.parametrize("recipe", [None, "classifier_training"])
def test_explain_prints_a_row_for_every_setting(recipe: str | None, run: Run) -> None:
    result = run("config", "explain", *(["--recipe", recipe] if recipe else []))
    head, line, *rows = result.out.splitlines()
    assert result.code == 0 and head == "| setting | type | default | meaning |"
    assert {row.count("|") for row in rows} == {5} and line == "|---|---|---|---|"
    keys = [row.split("`")[1] for row in rows]
    expected = {"checkpointing.save_every_n_bathces", "training.resume_from"} if recipe else {"train.epochs", "seed"}
    assert expected <= set(keys) and len(keys) == len(set(keys))


def test_the_reference_of_settings_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("make_reference", ROOT / "docs/make_reference.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (ROOT / "docs/config.md").read_text(encoding="utf-8") == module.reference(), "run: make docs"


# ---- help


def every_command() -> list[tuple[str, ...]]:
    top = typer.main.get_command(cli.app)
    found = [(name,) for name, command in top.commands.items() if not hasattr(command, "commands")]
    return found + [("config", name) for name in top.commands["config"].commands]


@pytest.mark.parametrize("path", every_command(), ids=" ".join)
def test_every_command_helps_with_an_example(path: tuple[str, ...], run: Run) -> None:
    result = run(*path, "--help")
    assert result.code == 0 and result.err == ""
    example = next(line for line in result.out.splitlines() if "Example:" in line)
    assert f"tithe {' '.join(path)}" in example


def test_the_commands_are_the_documented_ones() -> None:
    names = {" ".join(path) for path in every_command()}
    documented = ["quickstart", "fetch", "prepare", "describe", "train", "evaluate", "compare", "predict", "verify"]
    documented += ["select", "suite", "tune"]
    assert names == {*documented, "doctor", *(f"config {name}" for name in ("check", "show", "schema", "explain"))}


def test_version_and_bare_command(run: Run) -> None:
    assert run("--version") == (0, f"tithe {tithe.__version__}\n", "")
    bare = run()
    assert bare.code == 2 and "train" in bare.out and bare.err == ""


# ---- failures that are not mistakes


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (MemoryError(), 1, "error: out of memory: lower train.batch_size or model.max_length"),
        (OSError(28, "No space left on device", "/full"), 1, "error: No space left on device: /full"),
        (InputError("a: b"), 2, "error: a: b"),
    ],
)
def test_failures_have_their_exit_codes(
    error: BaseException, code: int, says: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*asked: object) -> None:
        raise error

    monkeypatch.setattr("tithe.fetch.fetch", fail)
    assert run("fetch", "reviews") == (code, "", f"{says}\n")


def test_a_reader_that_goes_away_is_no_failure() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "tithe", "config", "explain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stderr
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_a_defect_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*asked: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tithe.fetch.fetch", fail)
    monkeypatch.setattr(sys, "argv", ["tithe", "fetch", "reviews"])
    with pytest.raises(ZeroDivisionError):
        cli.main()


# ---- the documented recipe


def test_the_documented_example_runs_as_it_stands(tiny_bert: Path, rows: Path, tmp_path: Path) -> None:
    """`cp classifier_training.example.yaml config.yaml`, edit, `python train_classifier.py --config config.yaml`."""
    project = tmp_path / "project"
    shutil.copytree(EXAMPLE.parent, project)
    text = (project / EXAMPLE.name).read_text(encoding="utf-8")
    edits = {
        "data/train.parquet": str(rows),
        "model_name: minilm ": f"model_name: {tiny_bert} ",
        "max_seq_length: 128": "max_seq_length: 32",
        "num_epochs: 3": "num_epochs: 1",
    }
    for before, after in edits.items():
        assert text.count(before) == 1
        text = text.replace(before, after)
    (project / "config.yaml").write_text(text, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train_classifier.py", "--config", "config.yaml"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    checkpoints = project / "checkpoints"
    for name in ("model.pt", "optimizer.pt", "scheduler.pt", "state.json"):
        assert (checkpoints / "best" / name).is_file()
        assert list(checkpoints.glob(f"step_*/{name}"))
    assert (checkpoints / "validation/confusion_matrix.png").read_bytes().startswith(b"\x89PNG")
    scores = json.loads((checkpoints / "validation/metrics.json").read_text())
    assert {"loss", "accuracy", "precision", "recall", "f1", "confusion_matrix"} <= set(scores)
    assert "best checkpoint  checkpoints/best" in done.stdout
    assert not (checkpoints / ".neptune").exists(), "nothing of Neptune is set"


def test_the_python_of_the_readme_runs(
    settings: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    readme = (Path(__file__).resolve().parents[1] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text(json.dumps(settings()), encoding="utf-8")
    names: dict[str, Any] = {}
    exec(code, names)
    assert names["model"].predict(["goal team win"])[0].label in ("sport", "space")
