"""Every documented layout of folders, and every mistake in one line."""

import os
from pathlib import Path

import pytest

from support.listings import brief, files, listing, written
from tithe.data.images.listing import UNKNOWN
from tithe.errors import InputError

LAYOUTS = {
    "two folders": {"real/a.png": (1, UNKNOWN, None), "fake/a.png": (0, UNKNOWN, None)},
    "order and digits say nothing": {"1_real/a.png": (1, UNKNOWN, None), "0_fake/a.png": (0, UNKNOWN, None)},
    "splits": {
        "train/real/a.png": (1, UNKNOWN, "train"),
        "train/fake/a.png": (0, UNKNOWN, "train"),
        "validation/real/b.png": (1, UNKNOWN, "val"),
        "test/fake/c.png": (0, UNKNOWN, "test"),
    },
    "generators": {"biggan/0_real/a.png": (1, "biggan", None), "biggan/1_fake/a.png": (0, "biggan", None)},
    "a decomposed generator": {"cafe\u0301/1_fake/a.png": (0, "café", None)},
    "generators and kinds": {"progan/cat/0_real/a": (1, "progan", None), "progan/dog/1_fake/a": (0, "progan", None)},
    "splits, generators and kinds": {
        "train/progan/cat/0_real/a.png": (1, "progan", "train"),
        "test/progan/cat/1_fake/a.png": (0, "progan", "test"),
        "test/stargan/1_fake/a.png": (0, "stargan", "test"),
    },
    "a split below its generator": {
        "sd_1_4/train/ai/a.PNG": (0, "sd_1_4", "train"),
        "sd_1_4/train/nature/a.JPEG": (1, "sd_1_4", "train"),
        "sd_1_4/val/ai/b.PNG": (0, "sd_1_4", "val"),
    },
    "folders below a class": {
        "real/2021/may/a.png": (1, UNKNOWN, None),
        "sd/1_fake/b/a.png": (0, "sd", None),
        "train/real/x/a.png": (1, UNKNOWN, "train"),
    },
    "any suffix": {"real/a": (1, UNKNOWN, None), "fake/a.txt": (0, UNKNOWN, None)},
    "other alphabets": {"Кандинский/1_fake/кот 1.png": (0, "Кандинский", None)},
}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=list(LAYOUTS))
def test_every_layout_of_folders(tmp_path: Path, layout: dict[str, tuple[int, str, str | None]]) -> None:
    found = listing("image_folder", files(tmp_path, *reversed(layout)))
    assert brief(found.entries) == sorted((path, *known) for path, known in layout.items())
    assert found.remarks == ()


def test_litter_is_not_there_and_what_is_no_image_is_named(tmp_path: Path) -> None:
    litter = [".DS_Store", "real/.DS_Store", "fake/Thumbs.db", "real/desktop.ini", ".git/x.png", "__MACOSX/._a.png"]
    files(tmp_path, "real/a.png", "fake/b.png", "README.md", "notes/licence.txt", *litter)
    assert brief(listing("image_folder", tmp_path).entries) == [
        ("README.md", "no_class_folder", None, None),
        ("fake/b.png", 0, UNKNOWN, None),
        ("notes/licence.txt", "no_class_folder", None, None),
        ("real/a.png", 1, UNKNOWN, None),
    ]


def test_a_name_that_is_not_unicode_is_listed_as_text(tmp_path: Path) -> None:
    files(tmp_path, "real/a.png")
    for name in (b"/real/\xff.png", b"/real/\xfe.png"):
        with open(os.fsencode(tmp_path) + name, "wb"):  # noqa: PTH123
            pass
    files(tmp_path, "real/\\xfe.png")  # a name that is the escape itself
    assert brief(listing("image_folder", tmp_path).entries) == [
        ("real/\\xfe.png", 1, UNKNOWN, None),
        ("real/a.png", 1, UNKNOWN, None),
        ("real/\\xfe.png", "unreadable_name", None, None),
        ("real/\\xff.png", 1, UNKNOWN, None),
    ]


def test_links_are_followed_but_not_in_a_circle(tmp_path: Path) -> None:
    files(tmp_path / "elsewhere", "a.png")
    root = files(tmp_path / "set", "real/b.png")
    (root / "fake").symlink_to(tmp_path / "elsewhere")
    (root / "real/again").symlink_to(root)
    assert brief(listing("image_folder", root).entries) == [
        ("fake/a.png", 0, UNKNOWN, None),
        ("real/b.png", 1, UNKNOWN, None),
    ]


WRONG_FOLDERS = {
    "empty": ([], "has no folder of real or fake images"),
    "no classes": (["notes.txt"], "has no folder of real or fake images"),
    "classes by number": (["0/a.png", "1/a.png"], "0/a.png is not in a folder of real or fake images"),
    "an image outside": (["real/a.png", "b.jpg"], "b.jpg is not in a folder of real or fake images"),
    "a class in a class": (["real/fake/a.png"], "the folder of real/fake/a.png fits no known layout"),
    "two splits": (["train/val/real/a.png"], "the folder of train/val/real/a.png fits no known layout"),
    "a split between": (["gan/train/cat/real/a.png"], "the folder of gan/train/cat/real/a.png fits no known layout"),
    "too deep": (["a/b/c/real/a.png"], "the folder of a/b/c/real/a.png fits no known layout"),
}


@pytest.mark.parametrize(("paths", "says"), WRONG_FOLDERS.values(), ids=list(WRONG_FOLDERS))
def test_an_unknown_layout_is_one_line_that_shows_the_known_ones(tmp_path: Path, paths: list[str], says: str) -> None:
    with pytest.raises(InputError) as caught:
        listing("image_folder", files(tmp_path, *paths))
    message = str(caught.value)
    assert says in message and str(tmp_path) in message and len(message.splitlines()) == 1
    assert "[split/]real|fake, [split/]generator/[kind/]0_real|1_fake or generator/train|val/nature|ai" in message


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv is not a folder: image_folder reads folders"):
        listing("image_folder", written(tmp_path, "labels.csv", "path,label"))
