"""What the report of a set of images counts, and what it warns of."""

import json
from pathlib import Path

import cv2
import pytest

from support.image_sets import folder, given, listed, load, paths_of, picture, save
from tithe.data.images import report as images_report
from tithe.report import run_facts


def test_the_report_counts_what_there_is(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for i in range(10):
        save(root / f"sd/nature/{i}.jpg", picture(i, 64))
        save(root / f"sd/ai/{i}.png", picture(100 + i, 32))
        save(root / f"gan/ai/{i}.png", picture(200 + i, 16))
    found = load(root)
    report, splits = found.report, found.report["splits"]
    assert (report["file"], report["rows_read"], report["classes"]) == ("set", 30, {"fake": 20, "real": 10})
    assert report["formats"] == {"fake": {"PNG": 20}, "real": {"JPEG": 10}}
    assert report["sizes"] == {
        "width": {"min": 16, "median": 32, "max": 64},
        "height": {"min": 24, "median": 40, "max": 72},
    }
    assert splits["generators"] == {
        "gan": {"fake": {"train": 8, "val": 1, "test": 1}},
        "sd": {"fake": {"train": 8, "val": 1, "test": 1}, "real": {"train": 8, "val": 1, "test": 1}},
    }
    assert (splits["groups"], splits["largest_group"], splits["groups_in_two_splits"]) == (30, 1, 0)
    assert splits["sha256"] == found.split.hash and json.loads(json.dumps(report)) == report


def test_near_copies_are_reported_and_kept_together(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 12)
    for name, number in (("real/near.jpg", 0), ("fake/near.jpg", 2)):
        save(root / name, picture(number), cv2.IMWRITE_JPEG_QUALITY, 90)
    for seed in range(3):
        found = load(root, seed, val_ratio=0.3, test_ratio=0.3)
        assert found.report["near_duplicates"] == {
            "groups": 2,
            "images": 4,
            "of_both_classes": 1,
            "examples": [["fake/near.jpg", "real/001.png"], ["real/000.png", "real/near.jpg"]],
        }
        for one, other in found.report["near_duplicates"]["examples"]:
            assert any({one, other} <= part for part in paths_of(found).values())


def test_near_copies_in_two_given_splits_are_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    listed(tmp_path, given({"train": 6, "val": 4, "test": 4}))
    image = cv2.imread(str(tmp_path / "train0.png"))
    save(tmp_path / "test0.png", image // 2 + 60)
    found = load(tmp_path)
    assert found.report["splits"]["groups_in_two_splits"] == 1
    assert "1 group of near-duplicates is in two of the given splits" in caplog.text


def test_formats_that_cannot_be_probed_are_said_to_be_unmeasured(tmp_path: Path) -> None:
    """One fake photograph in training is never both inside and outside a fold."""
    for i in range(12):
        save(tmp_path / f"real/{i}.png", picture(i))
    for i in range(3):
        save(tmp_path / f"fake/{i}.png", picture(100 + i))
    report = load(tmp_path, val_ratio=0.3, test_ratio=0.3).report
    assert report["splits"]["format_leak"]["auc"] is None
    said = {str(name): str(value) for name, value in run_facts.properties(report)}
    assert said["classes predicted from the file format alone"].startswith("not measured: a class has too few")


def test_a_class_that_is_not_among_the_probed_images_is_no_crash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_report, "_PROBED", 2)  # of 40 000 images the part that is probed may have one class too
    root = folder(tmp_path, 12)
    leaks = [load(root, seed).report["splits"]["format_leak"] for seed in range(4)]
    assert {"auc": None, "chance": None, "images": 2} in leaks
