"""What galleries list: every documented layout, every spelling of a CSV, and every mistake in one line."""

import os
from collections.abc import Iterable
from pathlib import Path

import pytest

from tithe import plugins
from tithe.errors import InputError
from tithe.photos.listed import UNKNOWN, Listed, Listing, Skipped, class_of, part_of


def files(root: Path, *paths: str) -> Path:
    """Make files; what is in them is nobody's business before they are read as images."""
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def written(root: Path, name: str, *lines: str, encoding: str = "utf-8") -> Path:
    root.mkdir(exist_ok=True)
    (root / name).write_text("\n".join(lines) + "\n", encoding=encoding)
    return root / name


def listing(name: str, path: Path) -> Listing:
    found: Listing = plugins.load("galleries", name).listing(path)
    return found


def brief(entries: Iterable[Listed | Skipped]) -> list[tuple[str, object, object, object]]:
    """Path, label, generator and split of what is listed; path and reason of what is not."""
    return [
        (e.path, e.label, e.generator, e.split) if isinstance(e, Listed) else (e.path, e.reason, None, None)
        for e in entries
    ]


# ---- names

NAMES = {
    "real": 1,
    "0_real": 1,
    "1_real": 1,
    "nature": 1,
    "Real": 1,
    " REAL ": 1,
    "fake": 0,
    "1_fake": 0,
    "0_fake": 0,
    "12_fake": 0,
    "ai": 0,
    "AI": 0,
    "0": None,
    "1": None,
    "reals": None,
    "unreal": None,
    "real_": None,
    "_real": None,
    "aircraft": None,
    "": None,
}


@pytest.mark.parametrize(("name", "label"), NAMES.items())
def test_a_class_is_known_by_its_name_and_never_by_its_number(name: str, label: int | None) -> None:
    assert class_of(name) is label


def test_splits_have_few_names() -> None:
    assert [part_of(name) for name in ("train", "Val", "valid", "validation", "TEST", "testing", "")] == [
        *("train", "val", "val", "val", "test", None, None)
    ]


# ---- folders

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


def test_a_name_that_is_not_unicode_is_skipped(tmp_path: Path) -> None:
    files(tmp_path, "real/a.png")
    with open(os.fsencode(tmp_path) + b"/real/\xff.png", "wb"):  # noqa: PTH123
        pass
    assert brief(listing("image_folder", tmp_path).entries)[1] == ("real/?.png", "unreadable_name", None, None)


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
    "classes by number": (["0/a.png", "1/a.png"], "0/a.png lies in no folder of real or fake images"),
    "an image outside": (["real/a.png", "b.jpg"], "b.jpg lies in no folder of real or fake images"),
    "below a class": (["real/cats/a.png"], "real/cats/a.png lies in no folder of real or fake images"),
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
    with pytest.raises(InputError, match=r"labels\.csv is no folder: image_folder reads folders"):
        listing("image_folder", written(tmp_path, "labels.csv", "path,label"))


# ---- lists


def test_a_list_tells_all_it_knows(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        "labels.csv",
        "path,label,score,generator,family,source_id,pair_id,split",
        "a/1.png,real,0.9,,,s1,p1,train",
        "a/2.png,fake,0,sd,diffusion,s1,p1,train",
        "a/3.png,fake,,sd,diffusion,,,test",
    )
    expected = (
        Listed("a/1.png", 1, 0.9, UNKNOWN, None, "s1", "p1", "train"),
        Listed("a/2.png", 0, 0.0, "sd", "diffusion", "s1", "p1", "train"),
        Listed("a/3.png", 0, None, "sd", "diffusion", None, None, "test"),
    )
    assert listing("image_csv", path) == listing("image_csv", tmp_path) == Listing(expected)


HEADERS = [
    *("path,label", "file_name,label", "image_path,typ", "filename,typ", "typ,path", "path;label", "path\tlabel"),
    *("\ufeffpath,label", '"path","label"'),
]


@pytest.mark.parametrize("header", HEADERS)
def test_columns_have_several_names_and_lists_several_dialects(tmp_path: Path, header: str) -> None:
    delimiter = next(mark for mark in ";\t," if mark in header)
    values = ["fake", "a b.png"] if header.startswith("typ") else ["a b.png", "fake"]
    path = written(tmp_path, "images.csv", header, delimiter.join(values))
    assert listing("image_csv", path) == Listing((Listed("a b.png", 0),))


LABELS = {
    **dict.fromkeys(("real", "Real", "nature", "0_real", "1", "1.0", "true", "True", " real "), 1),
    **dict.fromkeys(("fake", "FAKE", "ai", "1_fake", "0", "0.0", "false", "FALSE"), 0),
}


@pytest.mark.parametrize(("written_", "label"), LABELS.items())
def test_every_spelling_of_a_label(tmp_path: Path, written_: str, label: int) -> None:
    (found,) = listing("image_csv", written(tmp_path, "labels.csv", "path,label", f"a.png,{written_}")).entries
    assert isinstance(found, Listed) and found.label == label


PATHS = {
    "a.png": "a.png",
    "./a.png": "a.png",
    "a//b.png": "a/b.png",
    "a/./b.png": "a/b.png",
    r"a\b.png": "a/b.png",
    "кот.png": "кот.png",
    "{root}/a/b.png": "a/b.png",
}


@pytest.mark.parametrize(("path", "found"), PATHS.items())
def test_paths_count_from_the_list(tmp_path: Path, path: str, found: str) -> None:
    lines = "path,label", f"{path.format(root=tmp_path)},real"
    assert listing("image_csv", written(tmp_path, "labels.csv", *lines)) == Listing((Listed(found, 1),))


def test_three_lists_are_three_splits(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        written(tmp_path, f"{name}.csv", "path,label", f"{name}.png,real")
    found = brief(listing("image_csv", tmp_path).entries)
    assert found == [(f"{name}.png", 1, UNKNOWN, name) for name in ("train", "val", "test")]
    assert brief(listing("image_csv", tmp_path / "val.csv").entries) == [("val.png", 1, UNKNOWN, None)]


def test_the_name_of_such_a_list_says_more_than_its_column(tmp_path: Path) -> None:
    written(tmp_path, "train.csv", "path,label,split", "a.png,real,test")
    remark = "train.csv: columns that are not read: split"
    assert listing("image_csv", tmp_path) == Listing((Listed("a.png", 1, split="train"),), (remark,))


def test_lines_without_a_path_or_a_label_are_named(tmp_path: Path) -> None:
    lines = "a.png,", ",real", "b.png,real,more", "c.png", "", "d.png,real"
    found = listing("image_csv", written(tmp_path, "labels.csv", "path,label", *lines))
    assert found.entries == (
        Skipped("a.png", "missing_label"),
        Skipped("", "missing_path"),
        Skipped("b.png", "unreadable_row"),
        Skipped("c.png", "unreadable_row"),
        Listed("d.png", 1),
    )


def test_columns_that_are_not_read_are_named_once(tmp_path: Path) -> None:
    path = written(tmp_path, "labels.csv", "path,width,label,prompt", "a.png,1,real,x", "b.png,1,fake,x")
    assert listing("image_csv", path).remarks == ("labels.csv: columns that are not read: width, prompt",)


def test_numbers_are_said_to_be_read_as_the_documents_say(tmp_path: Path) -> None:
    path = written(tmp_path, "labels.csv", "path,label", "a.png,1", "b.png,0")
    assert listing("image_csv", path).remarks == (
        "labels.csv: of labels that are numbers 1 is read as real, 0 as fake",
    )


HEAD = "path,label,score,split"
WRONG_LISTS = {
    "no path": (["file,label", "a.png,real"], "has no column 'path' (or file_name, image_path, filename) among file, "),
    "no label": (["path,class", "a.png,real"], "has no column 'label' (or typ) among path, class: name it so"),
    "empty": ([""], "has no column 'path'"),
    "no lines": ([HEAD], "lists no image"),
    "two paths": (["path,file_name,label", "a.png,a.png,real"], "the columns path and file_name, which mean the same"),
    "two labels": (["path,label,label", "a.png,real,real"], "the columns label and label, which mean the same"),
    "a third class": ([HEAD, "a.png,real,,", "b.png,edited,,"], "line 3: label 'edited' is none: write real, fake, "),
    "a number": ([HEAD, "a.png,2,,"], "line 2: label '2' is none: write real, fake, nature, ai, or 1 for real and 0"),
    "a score in percent": ([HEAD, "a.png,real,87,"], "line 2: score '87' is none: write a number from 0 (fake) to 1"),
    "a score in words": ([HEAD, "a.png,real,high,"], "line 2: score 'high' is none"),
    "no number": ([HEAD, "a.png,real,nan,"], "line 2: score 'nan' is none"),
    "a split": ([HEAD, "a.png,real,,dev"], "line 2: split 'dev' is none: write train, val, test"),
    "out of the folder": ([HEAD, "../a.png,real,,"], "line 2: '../a.png' leads out of"),
    "out by a detour": ([HEAD, "a/../../b.png,real,,"], "line 2: 'a/../../b.png' leads out of"),
    "out by a root": ([HEAD, "/etc/a.png,real,,"], "line 2: '/etc/a.png' leads out of"),
    "out by a drive": ([HEAD, r"C:\a.png,real,,"], r"line 2: 'C:\a.png' leads out of"),
    "one for fake": (
        ["path,label", "real/a.png,0", "1_fake/b.png,1", "c.png,0"],
        "1 stands for real here, but the folders of 2 images such as real/a.png say otherwise: write fake and real",
    ),
}


@pytest.mark.parametrize(("lines", "says"), WRONG_LISTS.values(), ids=list(WRONG_LISTS))
def test_a_wrong_list_is_one_line(tmp_path: Path, lines: list[str], says: str) -> None:
    path = written(tmp_path, "labels.csv", *lines)
    with pytest.raises(InputError) as caught:
        listing("image_csv", path)
    assert says in str(caught.value) and str(path) in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_list_of_other_bytes_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"labels\.csv is not UTF-8"):
        listing("image_csv", written(tmp_path, "labels.csv", "path,label", "кот.png,real", encoding="cp1251"))


@pytest.mark.parametrize(
    ("names", "says"),
    [
        ([], "has no list"),
        (["images.csv"], "has no list"),
        (["labels.csv", "data.csv"], "has more than one list (labels.csv, data.csv)"),
        (["metadata.csv", "train.csv"], "has more than one list (metadata.csv, train.csv)"),
    ],
)
def test_a_folder_has_one_list(tmp_path: Path, names: list[str], says: str) -> None:
    for name in names:
        written(tmp_path, name, "path,label", "a.png,real")
    with pytest.raises(InputError) as caught:
        listing("image_csv", tmp_path)
    assert says in str(caught.value)
    assert "labels.csv, data.csv, metadata.csv, train.csv, val.csv, test.csv" in str(caught.value)


# ---- the family

CLAIMS = [
    (["real/a.png", "fake/a.png"], "", {"image_folder": 1, "image_csv": 0}),
    (["real/a.png", "labels.csv"], "", {"image_folder": 1, "image_csv": 2}),
    (["train.csv"], "", {"image_folder": 1, "image_csv": 2}),
    (["my.csv"], "", {"image_folder": 1, "image_csv": 0}),
    (["my.csv"], "my.csv", {"image_folder": 0, "image_csv": 2}),
    (["my.TSV"], "my.TSV", {"image_folder": 0, "image_csv": 2}),
    (["my.zip"], "my.zip", {"image_folder": 0, "image_csv": 0}),
]


@pytest.mark.parametrize(("paths", "path", "claims"), CLAIMS)
def test_what_a_gallery_claims(tmp_path: Path, paths: list[str], path: str, claims: dict[str, int]) -> None:
    files(tmp_path, *paths)
    assert {name: plugins.load("galleries", name).claims(tmp_path / path) for name in claims} == claims
    assert claims.keys() == set(plugins.names("galleries"))


@pytest.mark.parametrize("name", plugins.names("galleries"))
def test_a_listing_does_not_depend_on_where_the_gallery_lies(tmp_path: Path, name: str) -> None:
    found = []
    for home in ("here", "there"):
        root = files(tmp_path / home, "real/b.png", "real/a.png", "fake/c.png")
        if name == "image_csv":
            written(root, "labels.csv", "path,label", "real/b.png,real", "fake/c.png,fake", "real/a.png,real")
        found.append(listing(name, root))
    assert found[0] == found[1] and len(found[0].entries) == 3
