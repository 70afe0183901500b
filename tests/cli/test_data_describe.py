"""`tithe describe`: what training would see of a file or of a folder of images."""

from __future__ import annotations

import gzip
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
    (tmp_path / "real").mkdir()
    (tmp_path / "real/a.png").touch()
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


@pytest.mark.parametrize("option", ["--text-column", "--label-column", "--validation", "--test", "--split-column"])
def test_an_option_for_texts_is_refused_for_images(option: str, run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.png").touch()
    assert_refused(run("describe", tmp_path, option, "review"), f"{option} review is for texts: leave it out for")


def test_a_folder_of_parts_is_described_as_texts(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(2):
        texts = [f"text {number} {i}" for i in range(20)]
        write_rows(tmp_path / f"part-{number}.parquet", texts, ["a", "b"] * 10)
    for path in (tmp_path, tmp_path / "*.parquet"):
        result = run("describe", path)
        assert result.code == 0, result.err
        assert result.out.startswith(f"{path.name}: 40 rows read, 40 kept\nwords per text: mean 3.0")
    with monkeypatch.context() as patch:
        patch.chdir(tmp_path)
        assert run("describe", ".").out.startswith(f"{tmp_path.name}: 40 rows read")
    (tmp_path / "a.png").touch()
    assert_refused(run("describe", tmp_path), "has both images and data files: pass --images, or a pattern such as")
    (tmp_path / "labels.csv").write_text("path,label\na.png,real\n")
    listed = run("describe", tmp_path)
    assert listed.code == 2 and "no usable image among 1" in listed.err


def test_describing_given_splits_shows_them(run: Run, tmp_path: Path) -> None:
    lines = [f"{i % 2}|хлеб {i // 2}|test" for i in range(6)] + [f"{i % 2}|соль {i}|train" for i in range(24)]
    options = ["--delimiter", "|", "--encoding", "cp1251", "--column-names", "label,text,part"]
    (tmp_path / "rows.csv.gz").write_bytes(gzip.compress("\n".join(lines).encode("cp1251")))
    result = run("describe", tmp_path / "rows.csv.gz", *options, "--split-column", "part")
    assert result.code == 0, result.err
    given = "given: train 24, test 6, 3 of them repeat a text of it"
    assert f"split: train 22, validation 2, test 6 ({given})" in result.out.splitlines(), result.out


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
