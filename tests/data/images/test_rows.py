"""Which listed images become rows, which are left out and why, and which belong together."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from support.image_sets import PARTS, account_adds_up, dropped, folder, listed, load, paths_of, picture, save
from tithe import storage

# ---- what is left out


def truncated(path: Path) -> None:
    whole = save(path, picture(901)).read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def bomb(path: Path) -> None:
    cv2.imwrite(str(path), np.zeros((101, 100), dtype=np.uint8))


BAD: dict[str, tuple[str, Callable[[Path], object]]] = {
    "truncated.jpg": ("truncated", truncated),
    "truncated.png": ("truncated", truncated),
    "empty.png": ("empty_file", lambda path: path.touch()),
    "words.png": ("not_an_image", lambda path: path.write_text("no pixels here")),
    "notes.txt": ("not_an_image", lambda path: path.write_text("no pixels here")),
    "bomb.png": ("too_large", bomb),
    "low.png": ("too_small", lambda path: save(path, np.zeros((7, 90, 3), dtype=np.uint8))),
    "narrow.png": ("too_small", lambda path: save(path, np.zeros((90, 7, 3), dtype=np.uint8))),
    "folder": ("not_an_image", lambda path: path.mkdir()),
    "gone.png": ("missing", lambda path: None),
}


def test_what_can_not_be_used_is_left_out_counted_and_listed(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    for name, (_, make) in BAD.items():
        make(tmp_path / "bad" / name)
    good = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(20)]
    bad = [{"path": f"bad/{name}", "label": "fake"} for name in BAD]
    with (listed(tmp_path, good) / "labels.csv").open("a") as file:
        file.write("".join(f"{row['path']},fake\n" for row in bad) + "x.png,\n")
    found = load(tmp_path, max_pixels=10_000)
    expected = {f"bad/{name}": reason for name, (reason, _) in BAD.items()} | {"x.png": "missing_label"}
    assert dropped(found) == expected
    assert found.report["dropped"]["truncated"] == 2 and found.report["rows_read"] == 20 + len(expected)
    assert found.rows.inputs() == [row["path"] for row in good]
    assert account_adds_up(found)
    assert "bad/bomb.png" not in dropped(load(tmp_path, max_pixels=10_100))


def test_the_smallest_image_is_one_of_eight_pixels(tmp_path: Path) -> None:
    save(folder(tmp_path, 6) / "real/small.png", picture(900)[:8, :8])
    assert dropped(load(tmp_path)) == {}


def test_copies_with_one_label_are_one_row(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 10)
    shutil.copy(root / "real/003.png", root / "real/copy.png")
    shutil.copy(root / "real/003.png", root / "real/000.PNG")
    found = load(root)
    assert dropped(found) == {"real/003.png": "duplicate", "real/copy.png": "duplicate"}
    assert found.report["classes"] == {"fake": 10, "real": 10} and account_adds_up(found)


def test_copies_with_two_labels_are_both_left_out(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 10)
    for name in ("fake/x.png", "real/y.png"):
        shutil.copy(root / "real/003.png", root / name)
    found = load(root)
    assert dropped(found) == dict.fromkeys(("fake/x.png", "real/003.png", "real/y.png"), "conflicting_label")
    assert account_adds_up(found)


def test_one_path_with_two_labels_is_a_conflict_too(tmp_path: Path) -> None:
    rows = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2]} for i in range(12)]
    twice = [{"path": "./0.png", "label": "real"}, {"path": "1.png", "label": "real"}]
    found = load(listed(tmp_path, rows + twice))
    lines = [(line["row"], line["path"], line["reason"]) for line in storage.read_lines(found.dropped)]
    assert lines == [
        (1, "1.png", "conflicting_label"),
        (12, "0.png", "duplicate"),
        (13, "1.png", "conflicting_label"),
    ]


def test_of_copies_in_given_splits_the_tested_one_stays(tmp_path: Path) -> None:
    rows = [
        {"path": f"{part}{i}.png", "label": ("real", "fake")[i % 2], "split": part} for part in PARTS for i in range(6)
    ]
    listed(tmp_path, rows)
    shutil.copy(tmp_path / "test0.png", tmp_path / "train0.png")
    shutil.copy(tmp_path / "test1.png", tmp_path / "val1.png")
    shutil.copy(tmp_path / "val2.png", tmp_path / "train2.png")
    found = load(tmp_path)
    assert dropped(found) == dict.fromkeys(("train0.png", "val1.png", "train2.png"), "duplicate")


# ---- what stays together


def test_links_of_several_kinds_bind_together(tmp_path: Path) -> None:
    """a and b share a source, b and c a pair, c and d are copies of two sources, d and e look the same."""
    rows = [
        {"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": f"s{i}", "pair_id": ""} for i in range(30)
    ]
    save(tmp_path / "d.png", picture(500, 200))
    shutil.copy(tmp_path / "d.png", tmp_path / "c.png")
    save(tmp_path / "e.jpg", picture(500, 200), cv2.IMWRITE_JPEG_QUALITY, 80)
    bound = [
        {"path": "a.png", "label": "real", "source_id": "x", "pair_id": ""},
        {"path": "b.png", "label": "fake", "source_id": "x", "pair_id": "y"},
        {"path": "c.png", "label": "fake", "source_id": "z", "pair_id": "y"},
        {"path": "d.png", "label": "fake", "source_id": "u", "pair_id": ""},
        {"path": "e.jpg", "label": "real", "source_id": "v", "pair_id": ""},
    ]
    listed(tmp_path, rows + bound)
    for seed in range(3):
        found = load(tmp_path, seed, val_ratio=0.3, test_ratio=0.3)
        assert dropped(found) == {"d.png": "duplicate"}
        assert found.report["splits"]["largest_group"] == 4
        assert [len(part & {"a.png", "b.png", "c.png", "e.jpg"}) in (0, 4) for part in paths_of(found).values()] == [
            True
        ] * 4


def test_images_of_one_colour_are_not_near_copies(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 6)
    for value in range(5):
        save(root / f"real/flat{value}.png", np.full((16, 16, 3), 40 * value, dtype=np.uint8))
    assert load(root).report["splits"]["largest_group"] == 1


def test_copies_bind_the_sources_of_each(tmp_path: Path) -> None:
    """Of one colour, so that nothing but their bytes tells that they are the same."""
    for name in ("a.png", "b.png"):
        save(tmp_path / name, np.full((16, 16, 3), 90, dtype=np.uint8))
    rows = [
        {"path": f"{name}.png", "label": label, "source_id": source}
        for name, label, source in [("a", "real", "s"), ("b", "real", "t"), ("c", "fake", "s"), ("d", "fake", "t")]
    ]
    rest = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": ""} for i in range(12)]
    found = load(listed(tmp_path, rows + rest))
    assert dropped(found) == {"b.png": "duplicate"} and found.report["splits"]["largest_group"] == 3
