"""Every spelling of a list of images, and every mistake in one line."""

from pathlib import Path

import pytest

from support.listings import brief, listing, written
from tithe.data.images.listing import UNKNOWN, Listed, Listing, Skipped
from tithe.errors import InputError


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
    **dict.fromkeys(
        ("real", "Real", "nature", "0_real", "1", "1.0", "true", "True", " real ", "real\ufeff", "\u200b1.0"), 1
    ),
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
        Skipped("b.png", "unreadable_row", 4),
        Skipped("c.png", "unreadable_row", 5),
        Listed("d.png", 1),
    )


def test_a_generator_has_one_spelling(tmp_path: Path) -> None:
    names = ("café", "cafe\u0301", " caf\u200bé\ufeff", "\u200b")
    path = written(tmp_path, "labels.csv", "path,label,generator", *(f"{i}.png,fake,{n}" for i, n in enumerate(names)))
    found = [entry[2] for entry in brief(listing("image_csv", path).entries)]
    assert found == ["café", "café", "café", UNKNOWN]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_quote_that_is_never_closed_hides_no_images(tmp_path: Path, mark: str) -> None:
    lines = [mark.join((f"{i}.png", ("real", "fake")[i % 2])) for i in range(20)]
    lines[3], lines[9] = f'"3.png{mark}fake', f'9.png{mark}"fake'
    found = listing("image_csv", written(tmp_path, "labels.csv", f"path{mark}label", *lines)).entries
    expected: list[Listed | Skipped] = [Listed(f"{i}.png", 1 - i % 2) for i in range(20)]
    expected[3], expected[9] = Skipped('"3.png', "unreadable_row", 5), Skipped("9.png", "unreadable_row", 11)
    assert list(found) == expected


def test_a_mistake_behind_an_unclosed_quote_is_named_by_its_line(tmp_path: Path) -> None:
    path = written(tmp_path, "labels.csv", "path,label", '"a.png,real', "b.png,real", "c.png,edited", "d.png,real")
    with pytest.raises(InputError, match=r"labels\.csv line 4: label 'edited' is invalid"):
        listing("image_csv", path)


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
    "no label": (["path,class", "a.png,real"], "has no column 'label' (or typ) among path, class: rename the"),
    "empty": ([""], "has no column 'path'"),
    "no lines": ([HEAD], "lists no images"),
    "two paths": (["path,file_name,label", "a.png,a.png,real"], "the columns path and file_name, which mean the same"),
    "two labels": (["path,label,label", "a.png,real,real"], "the columns label and label, which mean the same"),
    "a third class": (
        [HEAD, "a.png,real,,", "b.png,edited,,"],
        "line 3: label 'edited' is invalid: write real, fake, ",
    ),
    "a number": (
        [HEAD, "a.png,2,,"],
        "line 2: label '2' is invalid: write real, fake, nature, ai, or 1 for real and 0",
    ),
    "a score in percent": (
        [HEAD, "a.png,real,87,"],
        "line 2: score '87' is invalid: write a number from 0 (fake) to 1",
    ),
    "a score in words": ([HEAD, "a.png,real,high,"], "line 2: score 'high' is invalid"),
    "no number": ([HEAD, "a.png,real,nan,"], "line 2: score 'nan' is invalid"),
    "a split": ([HEAD, "a.png,real,,dev-1"], "line 2: split 'dev-1' is invalid: write train, val, test"),
    "out of the folder": ([HEAD, "../a.png,real,,"], "line 2: '../a.png' leads out of"),
    "out by a detour": ([HEAD, "a/../../b.png,real,,"], "line 2: 'a/../../b.png' leads out of"),
    "out by a root": ([HEAD, "/etc/a.png,real,,"], "line 2: '/etc/a.png' leads out of"),
    "out by a drive": ([HEAD, r"C:\a.png,real,,"], r"line 2: 'C:\a.png' leads out of"),
    "one for fake": (
        ["path,label", "real/a.png,0", "1_fake/b.png,1", "c.png,0"],
        "1 is read as real, but the folders of 2 images such as real/a.png contradict that: write fake and real",
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
