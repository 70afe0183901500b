"""`tithe describe`: what training would see of a file or of a folder of images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from support.command_line import Run, Trained, assert_refused
from support.encoders import copied
from support.photographs import twins
from support.texts import write_rows


def test_describing_tells_what_training_would_see(trained: Trained, run: Run) -> None:
    data = json.loads(trained.config.read_text())["data"]["path"]
    result = run("describe", data, "--json")
    assert result.code == 0
    expected = json.loads((trained.home / "data_report.json").read_text())
    assert expected.pop("tokens")["max_length"] == 32
    assert json.loads(result.out) == expected


def test_describing_with_an_encoder_counts_the_tokens_that_training_would_cut(trained: Trained, run: Run) -> None:
    raw = json.loads(trained.config.read_text())
    arguments = "describe", raw["data"]["path"], "--encoder", raw["model"]["encoder"], "--max-length"
    result = run(*arguments, 32, "--json")
    assert result.code == 0, result.err
    assert json.loads(result.out) == json.loads((trained.home / "data_report.json").read_text())
    assert "max_length 8 cuts: train " in run(*arguments, 8).out
    assert "max_length 32 cuts no text" in run(*arguments, 32).out


def test_describing_with_an_encoder_needs_texts_and_a_tokenizer(trained: Trained, run: Run, tmp_path: Path) -> None:
    raw = json.loads(trained.config.read_text())
    assert_refused(run("describe", tmp_path, "--encoder", raw["model"]["encoder"]), "leave it out for images")
    home = copied(Path(raw["model"]["encoder"]), tmp_path / "encoder")
    for path in home.glob("tokenizer*"):
        path.unlink()
    says = f"100 % of the tokens of every text are unknown .*missing from {home}"
    assert_refused(run("describe", raw["data"]["path"], "--encoder", home), says)


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
    assert "near-duplicates: " in result.out and "classes predicted from the file format alone: AUC " in result.out


@pytest.mark.parametrize("option", ["--text-column", "--label-column"])
def test_a_column_of_texts_is_refused_for_images(option: str, run: Run, tmp_path: Path) -> None:
    assert_refused(run("describe", tmp_path, option, "review"), "are for texts: leave them out for images")


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
        "too small to split, only in train: c",
        "near-duplicates: 0 rows in 0 groups (0 of several classes); "
        "copies of training rows: 0 in validation, 0 in test",
    ):
        assert line in result.out.splitlines(), result.out
    listed = Path(result.out.splitlines()[-1].removeprefix("list of dropped rows: "))
    assert [json.loads(line)["row"] for line in listed.read_text().splitlines()] == [1, 20, 21, 22]
