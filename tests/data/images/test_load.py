"""From folders and lists of images to rows: what is read, what is said of it, and what a second call finds."""

import logging
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from support.image_sets import account_adds_up, folder, generated, listed, load, picture, save
from tithe import config, storage
from tithe.data import images
from tithe.errors import InputError
from tithe.tasks import open_task

# ---- what becomes of a gallery


def test_a_folder_of_images_becomes_rows(tmp_path: Path) -> None:
    found = load(folder(tmp_path / "set"))
    everything = found.rows
    assert found.labels.names == ("fake", "real") and found.symbols == {}
    assert everything.inputs(0, 2) == ["fake/000.png", "fake/001.png"] and everything.inputs(39) == ["real/019.png"]
    assert everything.labels.tolist() == [0] * 20 + [1] * 20 and everything.ids.tolist() == list(range(40))
    assert [len(part) for part in (found.train, found.val, found.test)] == [32, 4, 4]
    for rows in (found.train, found.val, found.test):
        assert np.bincount(everything.labels[rows]).tolist() == [len(rows) // 2] * 2
    path = images.root(tmp_path / "set") / everything.inputs()[7]
    assert everything.column("sha256", 7, 8) == [storage.sha256_file(path)]
    assert everything.take(np.array([3, 3])).column("width") == [32, 32] and everything.column("height", 39) == [40]
    assert everything.column("score", 0, 1) == everything.column("source", 0, 1) == everything.column("pair", 0, 1)
    assert account_adds_up(found)


def test_names_that_are_not_unicode_are_read_as_others(tmp_path: Path) -> None:
    root = folder(tmp_path / "set")
    odd = root / "real" / os.fsdecode(b"\xff\xe9.png")
    (root / "real/007.png").rename(odd)
    found = load(root).rows
    place = found.inputs().index("real/\\xff\\xe9.png")
    assert len(found) == 40 and found.column("sha256", place, place + 1) == [storage.sha256_file(odd)]
    examples = open_task(config.parse({"task": "image", "data": {"path": str(root)}, "images": {"size": 32}}))
    assert (examples.encode(found).whole(place) == picture(14)[..., ::-1]).all()  # type: ignore[attr-defined]


def test_a_list_of_images_becomes_rows(tmp_path: Path) -> None:
    rows = [
        {"path": f"{i}.png", "label": "fake" if i % 2 else "real", "score": i / 100, "source_id": f"s{i // 2}"}
        | {"pair_id": f"p{i // 2}", "model": "sd" if i % 2 else "", "family": "diffusion" if i % 2 else ""}
        for i in range(20)
    ]
    for path in (listed(tmp_path, rows), tmp_path / "labels.csv"):
        found = load(path).rows
        assert images.root(path) == tmp_path
        assert found.column("score") == pytest.approx([i / 100 for i in range(20)])
        assert found.column("source")[:3] == ["s0", "s0", "s1"] and found.column("pair")[19] == "p9"
        assert found.column("generator")[:2] == ["unknown", "sd"] and found.column("family")[:2] == [None, "diffusion"]


def test_what_a_person_should_know_of_a_list_is_in_the_report_and_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tithe")
    found = load(listed(tmp_path, [{"path": f"{i}.png", "label": i % 2, "prompt": "x"} for i in range(20)]))
    remarks = [
        "labels.csv: columns that are not read: prompt",
        "labels.csv: of labels that are numbers 1 is read as real, 0 as fake",
    ]
    assert found.report["remarks"] == remarks and set(remarks) < set(caplog.messages)


@pytest.mark.parametrize("what", ["the list", "the images"])
def test_what_git_lfs_has_not_fetched_is_said(tmp_path: Path, what: str) -> None:
    path = listed(tmp_path, [{"path": f"{i}.png", "label": i % 2} for i in range(4)])
    for file in tmp_path.glob("*.csv" if what == "the list" else "*.png"):
        file.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    with pytest.raises(InputError, match=rf"{'labels.csv' if what == 'the list' else 'png'} is a Git LFS pointer"):
        load(path)


# ---- sets that can't be split, as data


PATHS = [
    ("gone", None, "no images at "),
    ("notes.txt", None, "is neither a folder of images nor a CSV that lists them"),
    ("set", "image_foldr", "unknown gallery 'image_foldr': did you mean 'image_folder'?"),
    ("set", "image_csv", "has no list"),
]


@pytest.mark.parametrize(("name", "reader", "says"), PATHS)
def test_a_path_that_is_no_gallery_is_one_line(tmp_path: Path, name: str, reader: str | None, says: str) -> None:
    folder(tmp_path / "set", 1)
    (tmp_path / "notes.txt").touch()
    with pytest.raises(InputError) as caught:
        load(tmp_path / name, reader=reader)
    assert says in str(caught.value) and len(str(caught.value).splitlines()) == 1


def test_a_list_beside_folders_is_surer_than_they_are(tmp_path: Path) -> None:
    folder(tmp_path, 6)
    rows = [{"path": f"real/{i:03}.png", "label": ("real", "fake")[i % 2]} for i in range(6)]
    listed(tmp_path, rows)
    assert len(load(tmp_path).rows) == 6
    assert len(load(tmp_path, reader="image_folder").rows) == 12


# ---- the cache


def test_rows_do_not_depend_on_where_the_files_lie_and_when_they_were_made(tmp_path: Path) -> None:
    rows = [{"path": f"{i}.png", "label": ("real", "fake")[i % 2], "source_id": f"s{i // 3}"} for i in range(30)]
    root = listed(tmp_path / "here", rows)
    there = Path(shutil.copytree(root, tmp_path / "there", copy_function=shutil.copyfile))
    first, second = load(root), load(there)
    assert first.fingerprint == second.fingerprint and first.rows.source == second.rows.source
    assert first.report | {"file": ""} == second.report | {"file": ""}
    save(root / "7.png", picture(800))
    assert load(root).rows.source != first.rows.source


def test_a_stray_file_moves_positions_and_nothing_else(tmp_path: Path) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    (root / "README.md").touch()
    second = load(root)
    assert (first.rows.ids + 1 == second.rows.ids).all() and second.fingerprint == first.fingerprint


@pytest.mark.parametrize("name", ["rows.arrow", "parts.npy", "manifest.json"])
def test_a_damaged_entry_is_made_anew(tmp_path: Path, name: str) -> None:
    root = folder(tmp_path / "set", 6)
    first = load(root)
    content = first.dropped.read_bytes()
    for stored in (storage.cache_dir() / "images").glob(f"*/{name}"):
        stored.write_bytes(stored.read_bytes()[:-30])
    again = load(root)
    assert again.split.hash == first.split.hash and again.dropped.read_bytes() == content


def test_only_training_rows_are_balanced(tmp_path: Path) -> None:
    listed(tmp_path, generated(30, {"sd": 10}))
    plain, balanced = load(tmp_path), load(tmp_path, upsample=True)
    assert np.bincount(plain.rows.labels[plain.train]).tolist() == [8, 24]
    assert np.bincount(balanced.rows.labels[balanced.train]).tolist() == [24, 24]
    assert balanced.split.hash == plain.split.hash and balanced.report["splits"]["train_after_balancing"] == 48
