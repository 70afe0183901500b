"""Images in, scores and verdicts out: folders and their contents, and the command."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image, PngImagePlugin

from support.detector_run import finished
from support.finished_runs import rehash
from support.photographs import photograph, without_pictures
from tithe import config, pipeline
from tithe.errors import InputError
from tithe.evaluate import picture_page
from tithe.imaging import crops, decode
from tithe.metrics.calibration import Calibration
from tithe.predict import Answering, TextInput, TrainedModel, load, predict_stream, verdicts, writers
from tithe.predict.images import score_images

Tithe = Callable[..., tuple[Any, str, list[str]]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return finished(tmp_path_factory)[0]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a real detector."""
    return finished(tmp_path_factory)[1]


@pytest.fixture(scope="module")
def model(home: Path) -> TrainedModel:
    return load(home / "best_model.pt", device="cpu")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a folder of somebody's holds: images, some of them broken, and other things."""
    where = tmp_path_factory.mktemp("somebody") / "pictures"
    (where / "deeper").mkdir(parents=True)
    for number, name in enumerate(("b.png", "a.jpg", "deeper/c.webp", "small.bmp")):
        assert cv2.imwrite(str(where / name), photograph(100 + number, *((20, 9) if "small" in name else (70, 90))))
    whole = (where / "b.png").read_bytes()
    (where / "cut.png").write_bytes(whole[: len(whole) // 2])
    (where / "notes.txt").write_text("no image")
    (where / "empty.jpg").touch()
    (where / ".hidden.png").write_bytes(whole)
    return where


REASONS = {"cut.png": "truncated", "notes.txt": "not_an_image", "empty.jpg": "empty_file"}
NAMES = ["a.jpg", "b.png", "cut.png", "deeper/c.webp", "empty.jpg", "notes.txt", "small.bmp"]


def score_by_hand(model: TrainedModel, path: Path) -> float:
    """The mean score of four evenly laid crops, each seen alone."""
    pieces = crops.even(decode.read(path), 32, 4)
    with torch.inference_mode():
        logits = [model.model({"images": torch.from_numpy(p.transpose(2, 0, 1).copy())[None]})[0, 0] for p in pieces]
    return float(torch.stack(logits).sigmoid().mean())


# ---- a folder


@pytest.mark.parametrize("more", [{"text_column": "review"}, {"layout": config.Layout(delimiter=";")}])
def test_options_for_files_of_texts_are_refused(home: Path, root: Path, more: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"--text-column, --delimiter, .* are for texts: leave them out"):
        predict_stream(load(home / "best_model.pt"), None, TextInput(root / "real", **more), Answering())


def test_the_batch_size_of_the_command_is_that_of_images_too(
    home: Path, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    real = TrainedModel.batch_probabilities

    def spy(self: TrainedModel, batch: Any) -> Any:
        sizes.append(len(batch["images"]))
        return real(self, batch)

    monkeypatch.setattr(TrainedModel, "batch_probabilities", spy)
    rows = predict_stream(load(home / "best_model.pt"), None, TextInput(root / "real"), Answering(batch_size=3)).rows
    count = len(list(rows))
    assert sum(sizes) == count > 3 and sizes[0] == max(sizes) == 3


def test_every_file_of_a_folder_has_a_line_and_its_reason(model: TrainedModel, folder: Path) -> None:
    lines = list(score_images(model, [folder], 3))
    assert [line.path for line in lines] == NAMES
    assert {line.path: line.reason for line in lines if line.reason} == REASONS
    for line in lines:
        if line.reason:
            assert (line.score, line.probability, line.verdict) == (None, None, None)
        else:
            assert line.score == pytest.approx(score_by_hand(model, folder / line.path), abs=1e-5)


def test_a_verdict_follows_the_band_of_the_run(home: Path, model: TrainedModel, folder: Path) -> None:
    recorded = json.loads((home / "calibration.json").read_text())
    assert json.loads((home / "best/calibration.json").read_text()) == recorded
    for line in score_images(model, [folder], 8):
        if line.score is not None and line.probability is not None:
            logit = np.log(line.score / (1 - line.score))
            assert line.probability == pytest.approx(1 / (1 + np.exp(-recorded["slope"] * logit - recorded["offset"])))
            low, high = line.probability < recorded["low"], line.probability > recorded["high"]
            assert line.verdict == ("fake" if low else "real" if high else "unsure")


@pytest.mark.parametrize(("low", "high", "verdict"), [(0.0, 0.0, "real"), (1.0, 1.0, "fake"), (0.0, 1.0, "unsure")])
def test_the_band_decides(model: TrainedModel, folder: Path, low: float, high: float, verdict: str) -> None:
    judged = verdicts.judge(model, Calibration(1.0, 0.0, low, high, 0.05), [decode.read(folder / "a.jpg")])
    assert [each.verdict for each in judged] == [verdict]


def test_without_a_calibration_every_verdict_is_unsure(
    home: Path, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = load(next(home.glob("step_*")), device="cpu")
    lines = [line for line in score_images(bare, [folder], 8) if line.score is not None]
    assert all(line.probability is None for line in lines) and len(lines) == 4
    assert {(line.verdict, line.why) for line in lines} == {("unsure", "not calibrated")}
    assert f"{bare.folder} has no calibration, which only the best checkpoint of a finished run has" in caplog.text


def test_what_is_said_of_another_epoch_names_its_file(tithe: Tithe, home: Path, folder: Path, tmp_path: Path) -> None:
    copy, page = shutil.copytree(home, tmp_path / "run"), tmp_path / "page.html"
    content = torch.load(copy / "best_model.pt", weights_only=True)
    content["model_state_dict"]["head.1.bias"] += 1.0
    other = copy / "checkpoint_epoch_7.pt"
    torch.save(content, other)
    says = f"{other} has no calibration, which only the best checkpoint of a finished run has: every verdict is unsure"
    code, _, err = tithe("predict", other, folder, "--html", page, "--heat-maps", 0)
    assert code == 0 and says in err
    assert f"scored by {other}" in page.read_text() and "did not finish" not in page.read_text()
    code, _, err = tithe("predict", copy / "best_model.pt", folder, "--html", page, "--heat-maps", 0)
    assert code == 0 and not any("calibration" in line for line in err)
    assert f"scored by {copy / 'best'}" in page.read_text() and "Only the best" not in page.read_text()


def test_the_title_of_a_page_of_many_files_is_short(tithe: Tithe, home: Path, folder: Path, tmp_path: Path) -> None:
    files = [folder / name for name in ("a.jpg", "b.png", "deeper/c.webp", "small.bmp")]
    for given, title in ((files[:3], ", ".join(map(str, files[:3]))), (files, f"{files[2]}, …")):
        assert tithe("predict", home, *given, "--html", tmp_path / "p.html", "--heat-maps", 0)[0] == 0
        text = (tmp_path / "p.html").read_text(encoding="utf-8")
        heading = text[text.index("<h1>") : text.index("</h1>")]
        assert heading.endswith(title) and "small.bmp" not in heading and text.count("<figure>") == len(given)


@pytest.mark.parametrize("option", [(), ("--input",)])
def test_scores_are_not_written_to_a_folder(
    tithe: Tithe, home: Path, folder: Path, tmp_path: Path, option: tuple[str, ...]
) -> None:
    code, _, err = tithe("predict", home, *option, folder, "-o", f"{tmp_path / 'out'}/")
    assert code == 2 and err[-1].startswith("error: ") and "a file" in err[-1]
    assert not (tmp_path / "out").exists()


def test_a_calibration_is_that_of_its_weights_alone(home: Path, model: TrainedModel, tmp_path: Path) -> None:
    assert model.calibration is not None
    copy = shutil.copytree(home, tmp_path / "run")
    content = torch.load(copy / "best_model.pt", weights_only=True)
    content["model_state_dict"]["head.1.bias"] += 1.0
    torch.save(content, copy / "checkpoint_epoch_7.pt")
    other = load(copy / "checkpoint_epoch_7.pt", "cpu")
    assert other.folder == copy / "best" and other.calibration is None
    (copy / "best/calibration.json").write_text('{"slope": 1}')
    rehash(copy)
    with pytest.raises(InputError, match="a calibration has error, high, low, offset, slope, not slope"):
        assert load(copy / "best_model.pt", "cpu").calibration


def test_a_copy_of_a_file_of_weights_alone_is_no_checkpoint(home: Path, tmp_path: Path) -> None:
    alone = shutil.copyfile(home / "best_model.pt", tmp_path / "best_model.pt")
    with pytest.raises(InputError) as caught:
        load(alone)
    assert "has no checkpoint beside it" in str(caught.value) and "\n" not in str(caught.value)


def test_a_score_does_not_depend_on_its_batch(model: TrainedModel, folder: Path) -> None:
    one, many = ([line.score for line in score_images(model, [folder], size)] for size in (1, 100))
    assert [score is None for score in one] == [score is None for score in many]
    assert [s for s in one if s is not None] == pytest.approx([s for s in many if s is not None], abs=1e-5)


def test_scoring_says_what_evaluation_said(model: TrainedModel, home: Path, root: Path) -> None:
    table = pq.read_table(home / "test/predictions.parquet").to_pydict()
    rows = [line.split(",")[0] for line in (root / "labels.csv").read_text().splitlines()[1:]]
    sources = [root / rows[row] for row in table["row"]]
    found = [line.score for line in score_images(model, sources, 8)]
    recorded = zip(table["label"], table["probability_of_label"], strict=True)
    assert [str(path) for path in sources] == [str(root / path) for path in table["path"]]
    assert found == pytest.approx([p if label == "real" else 1 - p for label, p in recorded], abs=1e-5)
    report = (home / "report.html").read_text(encoding="utf-8")
    assert "called fake" in report and "by the score alone" not in report, "a detector of pixels has no other verdicts"


def test_paths_are_told_as_they_were_given(model: TrainedModel, folder: Path) -> None:
    def names(*sources: Path) -> list[str]:
        return [line.path for line in score_images(model, sources, 8)]

    assert names(folder / "a.jpg") == ["a.jpg"] and names(folder / "deeper") == ["c.webp"]
    two = [folder / "b.png", folder / "deeper"]
    assert names(*two) == [(folder / "b.png").as_posix(), (folder / "deeper/c.webp").as_posix()]


# ---- the command


def test_a_single_image_is_a_line(tithe: Tithe, home: Path, folder: Path) -> None:
    code, out, err = tithe("predict", home / "best_model.pt", folder / "a.jpg")
    verdict, score, path = out.rstrip("\n").split("\t")
    assert code == 0 and path == "a.jpg" and verdict in ("real", "fake", "unsure") and 0 <= float(score) <= 1
    assert "1 file in" in err[-1]
    code, out, _ = tithe("predict", home / "best_model.pt", "--input", folder, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [line["path"] for line in lines] == NAMES
    assert lines[0].keys() == {"path", "score", "probability", "verdict", "reason", "why"}


def test_where_nothing_can_be_read_the_command_fails_and_lists_why(
    tithe: Tithe, home: Path, folder: Path, tmp_path: Path
) -> None:
    files = [folder / "cut.png", folder / "notes.txt", folder / "empty.jpg"]
    code, out, err = tithe("predict", home, *files, "-o", tmp_path / "scores.csv", "--html", tmp_path / "page.html")
    assert (code, out) == (1, "") and err[-1] == (
        "error: no image could be read: truncated 1, not_an_image 1, empty_file 1"
    )
    assert len((tmp_path / "scores.csv").read_text().splitlines()) == 4
    assert "No file could be read." in (tmp_path / "page.html").read_text()
    code, out, _ = tithe("predict", home, folder / "cut.png")
    assert (code, out) == (1, "truncated\t–\tcut.png\n")


def test_an_image_of_more_pixels_than_are_allowed_is_not_read(tithe: Tithe, home: Path, folder: Path) -> None:
    code, out, _ = tithe("predict", home, folder / "a.jpg", folder / "small.bmp", "--max-pixels", 180)
    first, second = out.splitlines()
    assert code == 0 and first.startswith("too_large\t–\t") and not second.startswith("too_large")
    code, _, err = tithe("predict", home, folder, "--max-pixels", 10**9)
    assert code == 2 and "178956970" in err[-1].replace(",", "")


def test_names_and_folders_are_those_of_training(tithe: Tithe, home: Path, folder: Path, tmp_path: Path) -> None:
    root = tmp_path / "set"
    (root / "inner").mkdir(parents=True)
    (root / ".hidden").mkdir()
    for name in (b"caf\xe9.jpg", b"inner/a.jpg", b".hidden/a.jpg", b"Thumbs.db"):
        shutil.copyfile(folder / "a.jpg", os.fsdecode(os.fsencode(root) + b"/" + name))
    cv2.imwrite(str(root / "dot.png"), photograph(1, 1, 1))
    (root / "linked").symlink_to(folder / "deeper")
    code, out, _ = tithe("predict", home, root, "--json")
    rows = {row["path"]: row["reason"] for row in map(json.loads, out.splitlines())}
    assert code == 0 and rows == {
        "caf\\xe9.jpg": None,
        "dot.png": "too_small",
        "inner/a.jpg": None,
        "linked/c.webp": None,
    }
    code, out, _ = tithe("predict", home, root, "--explain", "-o", tmp_path / "maps", "--json")
    assert code == 0 and [json.loads(line)["path"] for line in out.splitlines()] == list(rows)


def test_a_page_of_a_folder_shows_every_picture_by_its_score(
    tithe: Tithe, home: Path, folder: Path, tmp_path: Path
) -> None:
    root = shutil.copytree(folder, tmp_path / "pictures")
    settings = PngImagePlugin.PngInfo()
    settings.add_text("parameters", "a <b>castle</b>\nSteps: 20, Sampler: Euler")
    Image.open(root / "b.png").save(root / "b.png", pnginfo=settings)
    page = tmp_path / "out.html"
    code, out, err = tithe("predict", home, root, "--html", page, "--heat-maps", 2)
    assert code == 0 and len(out.splitlines()) == 7 and err[-1] == f"page in {page}"
    scored = sorted(
        (float(score), path) for _, score, path in (line.split("\t") for line in out.splitlines()) if score != "–"
    )
    text = page.read_text(encoding="utf-8")
    sheet = text[text.index('class="sheet"') :]
    places = [sheet.index(path) for _, path in scored]
    assert places == sorted(places) and sheet.count("<img") == 4
    maps = text[text.index('class="maps"') : text.index('class="sheet"')]
    assert maps.count("<figure>") == 2 and all(path in maps for _, path in scored[:2])
    assert "a &lt;b&gt;castle&lt;/b&gt;" in sheet and "<b>castle" not in text
    unread = text[text.index("Files that could not be read") :]
    assert all(name in unread for name in REASONS) and "the file ends too early" in unread
    code, _, err = tithe("predict", home, root, "--heat-maps", 2)
    assert code == 2 and err[-1].endswith("--heat-maps 2 is for a page: pass --html FILE")


def test_every_reason_has_a_sentence_on_the_page() -> None:
    assert picture_page._REASONS.keys() == decode.REASONS.keys()
    assert picture_page._WHY.keys() == {verdicts.UNCALIBRATED, verdicts.FAR, verdicts.TURNS}


@pytest.mark.parametrize("suffix", ["csv", "json", "jsonl", "parquet"])
def test_scores_are_written_in_every_format(
    tithe: Tithe, home: Path, folder: Path, tmp_path: Path, suffix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writers, "_ROWS_PER_CHUNK", 2)  # so that one chunk of a table holds nothing but reasons
    broken = tmp_path / "first"
    broken.mkdir()
    for name in ("0.png", "1.png"):
        (broken / name).write_bytes(b"")
    file = tmp_path / f"scores.{suffix}"
    code, out, err = tithe("predict", home / "best_model.pt", broken, folder, "-o", file)
    assert (code, out) == (0, "") and err[-1] == f"9 predictions in {file}"
    rows = {
        "csv": lambda: list(csv.DictReader(file.read_text(encoding="utf-8").splitlines())),
        "json": lambda: json.loads(file.read_text(encoding="utf-8")),
        "jsonl": lambda: [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()],
        "parquet": lambda: pq.read_table(file).to_pylist(),
    }[suffix]()
    assert [Path(row["path"]).name for row in rows] == ["0.png", "1.png", *(Path(name).name for name in NAMES)]
    assert list(rows[0]) == ["path", "score", "probability", "verdict", "reason", "why"]
    assert [row["reason"] or None for row in rows[:3]] == ["empty_file", "empty_file", None]
    assert float(rows[2]["score"]) == pytest.approx(score_by_hand(load(home, "cpu"), folder / "a.jpg"), abs=1e-5)


BAD: list[tuple[list[str], str]] = [
    (["nowhere"], "no images at nowhere (seen from "),
    (["EMPTY"], "contains no files: pass a folder of images"),
    (["IMAGE", "EMPTY"], "contains no files: pass a folder of images"),
    ([], "no images: give files or folders after the checkpoint, or --input FOLDER"),
    (
        ["IMAGE", "-o", "scores.xlsx"],
        "can't write '.xlsx' files: choose one of .csv, .json, .jsonl, .ndjson, .parq",
    ),
    (["IMAGE", "--input", "EMPTY"], "pass texts or --input, not both"),
]


@pytest.mark.parametrize(("arguments", "says"), BAD)
def test_a_mistake_is_one_line(
    arguments: list[str], says: str, tithe: Tithe, home: Path, folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/.hidden").touch()
    places = {"EMPTY": str(tmp_path / "empty"), "IMAGE": str(folder / "a.jpg")}
    code, out, err = tithe("predict", home / "best_model.pt", *(places.get(word, word) for word in arguments))
    assert code == 2 and out == "" and len(err) == 1 and says in err[0]


def test_heat_maps_of_a_folder_are_drawn(tithe: Tithe, home: Path, folder: Path, tmp_path: Path) -> None:
    files = [folder / name for name in ("a.jpg", "cut.png", "b.png")]
    code, out, _ = tithe("predict", home, *files, "--explain", "-o", tmp_path / "maps", "--json")
    first, broken, last = map(json.loads, out.splitlines())
    assert code == 0 and (first["heat_map"], broken["heat_map"]) == (str(tmp_path / "maps/heat_1.png"), None)
    assert broken["reason"] in decode.REASONS and first["reason"] is None and last["path"] == str(files[2])
    assert all(cv2.imread(each["heat_map"]) is not None for each in (first, last))
    code, out, err = tithe("predict", home, files[0], "--explain")
    assert (code, out) == (2, "") and err[-1].endswith("pass a folder for them with --output FOLDER")


def test_a_text_checkpoint_has_no_use_for_a_folder(
    tithe: Tithe, settings: Callable[..., dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_pictures(monkeypatch)
    texts = pipeline.train(config.parse(settings(train={"epochs": 1}))).best
    code, out, err = tithe("predict", texts, "--input", folder)
    assert code == 2 and out == "" and len(err) == 1
    assert "is a folder without Parquet, CSV, JSONL or JSON files, and the checkpoint classifies texts: pass" in err[0]
