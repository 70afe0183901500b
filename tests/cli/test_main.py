"""The command line: one line for each mistake, an exit code for each failure, help for each command."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
import typer

import tithe
from support.command_line import Run, Settings, assert_refused, write_config
from support.texts import write_rows
from tithe.cli import main
from tithe.errors import InputError

# ---- mistakes: exit code 2, one line, nothing written

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
    "data is a folder": (training(lambda f: {"data": {"path": str(f)}}), "files of several formats.*pass a pattern"),
    "unknown format": (training(lambda f: {"data": {"path": written(f, "rows.xyz", "")}}), "no reader for '.xyz'"),
    "not Parquet": (
        training(lambda f: {"data": {"path": written(f, "x.parquet", "text,label")}}),
        "is not a Parquet file",
    ),
    "missing text column": (training(lambda f: {"data": {"text_column": "txt"}}), "no column 'txt'.*'text'"),
    "missing label column": (training(lambda f: {"data": {"label_column": "class"}}), "no column 'class'"),
    "numbers as texts": (training(rows_of([1, 2], ["a", "b"])), "column 'text' is int64, not text"),
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
    "empty config": (config_text(""), "contains no settings"),
    "unset variable": (config_text("data: {path: '${TITHE_NOWHERE}'}"), "TITHE_NOWHERE.* is not set"),
    "option of data sets for an encoder": (
        command("fetch", "e5-small", "--text-column", "t"),
        "e5-small is an encoder: leave --text-column out, which is for data sets",
    ),
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
    "artifacts elsewhere": (
        evaluation("{checkpoint_path: x, name: ../y}"),
        "name = '../y' should have letters, digits",
    ),
    "evaluation of nothing": (evaluation("{checkpoint_path: nowhere}"), "no checkpoint at nowhere"),
    "predict by nothing": (command("predict", "TMP/nowhere", "text"), "no checkpoint at"),
    "predict by a folder": (command("predict", "TMP", "text"), "no intact checkpoint in"),
    "two inputs": (command("predict", "x", "text", "--input", "y.txt"), "not both"),
    "verify nothing": (command("verify", "TMP"), "has no manifest.json"),
    "unknown recipe": (command("config", "explain", "--recipe", "classifier"), "did you mean 'classifier_training'"),
    "check missing data": (check(training(lambda f: {"data": {"path": "x.csv"}})), "no data file x.csv"),
    "check missing encoder": (check(training(lambda f: {"model": {"encoder": "./x"}})), "no folder x"),
    "check unknown key": (check(training(lambda f: {"train": {"lr": 1}})), "unknown key 'train.lr'"),
}


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


# ---- help


def every_command() -> list[tuple[str, ...]]:
    top = typer.main.get_command(main.app)
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
    documented += ["audit", "select", "suite", "tune", "label", "compress", "export", "serve", "board"]
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

    monkeypatch.setattr("tithe.fetch.catalog.fetch", fail)
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

    monkeypatch.setattr("tithe.fetch.catalog.fetch", fail)
    monkeypatch.setattr(sys, "argv", ["tithe", "fetch", "reviews"])
    with pytest.raises(ZeroDivisionError):
        main.main()


# ---- a program that calls it


@pytest.mark.parametrize("own", [[], [logging.NullHandler()]])
def test_the_log_is_the_callers_again_afterwards(run: Run, own: list[logging.Handler]) -> None:
    logger = logging.getLogger("tithe")
    for handler in own:
        logger.addHandler(handler)
    try:
        assert run("--version").code == 0
        assert logger.handlers == own and logger.level == logging.NOTSET
    finally:
        for handler in own:
            logger.removeHandler(handler)
