"""`tithe evaluate`: the run's own numbers again, other files, and what does not fit."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from support.command_line import PART_FILES, Run, Trained, assert_refused, files, write_config
from support.text_sets import WRITERS
from support.texts import make_texts, write_rows


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
        assert found[part]["loss"] == expected[part]["loss"]
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
    assert result.code == 0 and "metrics and figures in kept/again" in result.out
    assert files(tmp_path / "kept/again") == {"metrics.csv", *(f"test/{name}" for name in PART_FILES)}
    changed = run("evaluate", "--config", file, "--set", "splits=[validation]", "--set", "name=other", "--json")
    assert set(json.loads(changed.out)) == {"validation"} and (tmp_path / "kept/other/validation").is_dir()
    refused = run("evaluate", "--config", file, "-c", tmp_path / "nowhere", "--set", "name=third")
    assert_refused(refused, "no checkpoint at .*nowhere")  # an option overrides the file
    path = write_rows(tmp_path / "other.parquet", *make_texts(5, seed=9))
    whole = run("evaluate", "--config", write_config(file, {**asked, "dataset_path": str(path)}), "--json")
    assert json.loads(whole.out)["data"]["rows"] == 10 and (tmp_path / "kept/again/data/roc_curve.png").is_file()


def test_another_file_may_be_written_in_another_way(trained: Trained, run: Run, tmp_path: Path) -> None:
    texts, labels = make_texts(5, seed=9)
    lines = [f"{label}|{text}" for text, label in zip(texts, labels, strict=True)]
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode("utf-16")))
    layout = ["--delimiter", "|", "--encoding", "utf-16", "--column-names", "label,text"]
    evaluated = ["evaluate", "-c", trained.best, "--data", tmp_path / "rows.csv.gz", "--out", tmp_path / "out"]
    result = run(*evaluated, *layout, "--json")
    assert result.code == 0 and json.loads(result.out)["data"]["rows"] == 10, result.err
    predicted = run("predict", trained.best, "--input", tmp_path / "rows.csv.gz", *layout, "--json")
    assert [json.loads(line)["text"] for line in predicted.out.splitlines()] == texts
    assert_refused(run(*evaluated), "is not UTF-8")
    assert_refused(run("evaluate", "-c", trained.best, *layout), "are for a labelled file: pass one with --data")
    assert_refused(run("predict", trained.best, "a text", *layout), "are for a file: pass one with --input")


@pytest.mark.parametrize("how", ["option", "file"])
def test_an_exact_evaluation_has_the_exact_predictions(how: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    texts, labels = make_texts(10, seed=9)
    path, out = write_rows(tmp_path / "other.parquet", texts, labels), tmp_path / "out"
    file = write_config(tmp_path / "eval.json", {"exact": True} if how == "file" else {})
    option = ["--exact"] if how == "option" else []
    asked = ("--config", file, "-c", trained.best, "--data", path, "--out", out)
    assert run("evaluate", *asked, *option).code == 0
    lines = run("predict", trained.best, "--exact", "--json", *texts).out.splitlines()
    expected = [json.loads(line)["probability"] for line in lines]
    assert pq.read_table(out / "data/predictions.parquet")["probability"].to_pylist() == expected


@pytest.mark.parametrize("setting", ["name=other", "artifacts_dir=kept"])
def test_two_folders_for_one_evaluation_are_refused(setting: str, trained: Trained, run: Run, tmp_path: Path) -> None:
    refused = run("evaluate", "-c", trained.best, "--out", tmp_path / "out", "--set", setting)
    assert_refused(refused, "is the folder: leave out --set name and --set artifacts_dir, or --out")
    assert not (tmp_path / "out").exists()


def test_splits_of_the_run_are_named_where_a_file_is_evaluated(trained: Trained, run: Run, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "other.parquet", *make_texts(5, seed=9))
    asked = ["evaluate", "-c", trained.best, "--data", rows, "--out", tmp_path / "out"]
    says = f"splits has no effect: all rows of {rows} are evaluated"
    assert says in run(*asked, "--set", "splits=[test]").err.splitlines()
    assert "has no effect" not in run(*asked).err


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
    assert result.code == 0 and "metrics and figures in artifacts/first" in result.out
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


@pytest.mark.parametrize(
    ("kind", "spelled"), [("csv", "{}.0"), ("csv", " {}\ufeff"), ("jsonl", "{}"), ("json", "{}.0")]
)
def test_a_class_is_the_same_in_every_format(
    kind: str, spelled: str, numbers: Trained, run: Run, tmp_path: Path
) -> None:
    texts, names = make_texts(10, classes=3, seed=9)
    labels = [{"sport": 2, "space": 10, "кухня": 100}[name] for name in names]
    own = write_rows(tmp_path / "rows.parquet", texts, labels)
    other = WRITERS[kind](
        tmp_path / f"rows.{kind}", [(t, spelled.format(y)) for t, y in zip(texts, labels, strict=True)]
    )
    found = [run("evaluate", "-c", numbers.best, "--data", path, "--out", tmp_path, "--json") for path in (own, other)]
    assert [result.code for result in found] == [0, 0], found
    first, second = (json.loads(result.out)["data"] for result in found)
    assert first == second and first["rows"] == 30


def test_a_file_with_some_of_the_classes_is_counted_under_the_right_ones(
    trained: Trained, run: Run, tmp_path: Path
) -> None:
    path = write_rows(tmp_path / "other.parquet", ["goal team", "win cup coach"], ["sport", "sport"])
    found = json.loads(run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path, "--json").out)["data"]
    assert [row["rows"] for row in found["per_class"]] == [0, 2]


def test_rows_that_are_not_evaluated_are_counted(trained: Trained, run: Run, tmp_path: Path) -> None:
    texts, labels = make_texts(4, seed=9)
    rows = [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]
    lines = [*rows, rows[0], rows[1], {"text": "nobody knows", "label": None}]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)))
    result = run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path / "out", "--json")
    assert json.loads(result.out)["data"]["rows"] == 8
    assert f"{path}: 3 of 11 rows are left out (duplicate 2, missing_label 1)" in result.err


def test_unknown_labels_and_missing_data_are_refused(trained: Trained, run: Run, tmp_path: Path) -> None:
    path = write_rows(tmp_path / "other.parquet", ["goal", "suite"], ["sport", "music"])
    refused = run("evaluate", "-c", trained.best, "--data", path, "--out", tmp_path / "out")
    assert_refused(refused, "label 'music' is not one of the 2 classes: space, sport")
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
    assert_refused(refused, "data .*rows.parquet do not exist.*--data")


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


def test_a_target_is_shown_class_by_class_and_used_from_then_on(copy: Path, run: Run, tmp_path: Path) -> None:
    shown = run("evaluate", copy, "--target", "precision=0.99", "--target", "far=0.9", "--out", tmp_path / "out")
    assert shown.code == 0, shown.err
    table = shown.out[shown.out.index("threshold") :].splitlines()
    assert table[0].split() == ["threshold", "precision", "95", "%", "answered"]
    assert sorted(line.split()[0] for line in table[1:3]) == ["space", "sport"]
    assert "abstained" in shown.out and "accuracy_answered" in shown.out
    answers = run("predict", copy, "goal", "the")
    assert answers.out.startswith("none of these (") and run("verify", copy).code == 0


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--target", "f1"], "--target f1: write KEY=SHARE, such as --target precision=0.95"),
        (["--target", "precision=most"], "write KEY=SHARE"),
        (["--target", "precision=2"], "target.precision"),
        (["--target", "recall=0.5", "--data", "other.csv"], "leave out the labelled file"),
        (["-c", "other"], "pass .* or -c other, not both"),
    ],
)
def test_a_wrong_target_is_one_line(options: list[str], says: str, trained: Trained, run: Run) -> None:
    assert_refused(run("evaluate", trained.best, *options), says)
